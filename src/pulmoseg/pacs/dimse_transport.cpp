#include "pulmoseg/pacs/dimse_transport.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <arpa/inet.h>
#include <dcmtk/dcmtls/tlslayer.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::pacs {
namespace {

void check(const OFCondition& condition, const std::filesystem::path& file, std::string_view what) {
  if (condition.bad()) throw Error(fmt::format("{}: cannot be used as {}: {}", file.string(), what, condition.text()));
}

/// A server must be the one that was called; DCMTK asks only whether somebody vouches for it.
void require_host(DcmTLSTransportLayer& layer, const std::string& host) {
  X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(layer.getNativeHandle());
  in_addr ignored{};
  const bool is_number = ::inet_pton(AF_INET, host.c_str(), &ignored) == 1;
  const int set = is_number ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str())
                            : X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size());
  if (set != 1) throw Error(fmt::format("{}: no certificate can name such a host", host));
}

void set_up(DcmTLSTransportLayer& layer, const Server& server, Transport::Role role) {
  const auto& [authority, own, key] = server.certificates;
  if (!authority.empty()) {
    check(layer.addTrustedCertificateFile(authority.c_str(), DCF_Filetype_PEM), authority, "an authority");
  } else if (SSL_CTX_set_default_verify_paths(layer.getNativeHandle()) != 1) {
    throw Error("the system's certificates cannot be read; name an authority's");
  }
  if (!own.empty()) {
    check(layer.setCertificateFile(own.c_str(), DCF_Filetype_PEM), own, "our certificate");
    check(layer.setPrivateKeyFile(key.c_str(), DCF_Filetype_PEM), key, "our key");
  } else if (role == Transport::Role::acceptor) {
    throw UsageError("moves over TLS need a certificate and a key of our own");
  }
  if (layer.setTLSProfile(TSP_Profile_BCP195).bad() || layer.activateCipherSuites().bad()) {
    throw Error("the TLS profile of BCP 195 cannot be had from this OpenSSL");
  }
  layer.setCertificateVerification(DCV_requireCertificate);
  if (role == Transport::Role::requestor) require_host(layer, server.host);
}

T_ASC_NetworkRole as_dcmtk(Transport::Role role) {
  return role == Transport::Role::requestor ? NET_REQUESTOR : NET_ACCEPTOR;
}

class Layer : public DcmTLSTransportLayer, public Transport {
 public:
  explicit Layer(bool) {}  // without TLS
  Layer(const Server& server, Role our_role) : DcmTLSTransportLayer(as_dcmtk(our_role), nullptr, OFTrue), tls_(true) {
    set_up(*this, server, our_role);
  }
  ~Layer() override {
    for (const int socket : sockets_) ::close(socket);
  }

  DcmTransportLayer& layer() override { return *this; }

  DcmTransportConnection* createConnection(DcmNativeSocketType socket, OFBool) override {
    const int at_once =
        1;  // a command and its data set are two writes: the second would wait for the first one's receipt
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    const std::lock_guard lock(mutex_);
    const int twin =
        ::dup(socket);  // DCMTK closes the other; its number may be somebody else's by the time that we stop
    if (twin >= 0) sockets_.push_back(twin);
    if (stopped_) ::shutdown(socket, SHUT_RDWR);
    return DcmTLSTransportLayer::createConnection(socket, tls_ ? OFTrue : OFFalse);
  }

  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }

 private:
  bool tls_ = false, stopped_ = false;
  std::mutex mutex_;
  std::vector<int> sockets_;
};

}  // namespace

std::unique_ptr<Transport> make_transport(const Server& server, Transport::Role role) {
  if (server.tls) return std::make_unique<Layer>(server, role);
  return std::make_unique<Layer>(false);
}

}  // namespace pulmoseg::pacs
