#include "pulmoseg/pacs/dimse_transport.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <arpa/inet.h>
#include <dcmtk/dcmtls/tlslayer.h>
#include <dcmtk/dcmtls/tlstrans.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/dimse_watch.hpp"
#include "pulmoseg/pacs/ipv4.hpp"

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
  using Clock = DimseWatch::Clock;

  explicit Layer(const Server& server) : timeout_(server.timeout) {}  // without TLS
  Layer(const Server& server, Role our_role)
      : DcmTLSTransportLayer(as_dcmtk(our_role), nullptr, OFTrue), timeout_(server.timeout), tls_(true) {
    set_up(*this, server, our_role);
  }

  DcmTransportLayer& layer() override { return *this; }
  DcmTransportConnection* createConnection(DcmNativeSocketType socket, OFBool) override;

  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }

  void hurry() override { hurries_ = true; }

  std::string reason() const override {
    const std::lock_guard lock(mutex_);
    return reason_;
  }

  std::string local_address() const override { return local_address_; }

  void waits_for(const Transport* other) override {
    const std::lock_guard lock(mutex_);
    other_ = dynamic_cast<const Layer*>(other);
  }

  void end(std::string_view reason) {
    const std::lock_guard lock(mutex_);
    end_locked(reason);
  }

  /// A connection is about to close its socket, whose number may then be somebody else's.
  void forget(int socket) {
    const std::lock_guard lock(mutex_);
    sockets_.erase(socket);
  }

  /// While one lives, a connection reads, writes or shakes hands, and the clock is looked at.
  class Exchange {
   public:
    explicit Exchange(Layer& layer) : layer_(layer) { layer_.has_moved(), ++layer_.exchanges_; }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange() { --layer_.exchanges_; }

   private:
    Layer& layer_;
  };

  void has_moved() { moved_ = Clock::now(); }
  bool is_silent() const { return Clock::now() - moved_.load() > timeout_; }
  bool other_moves() const {
    const std::lock_guard lock(mutex_);
    return other_ && !other_->is_silent();
  }

  std::chrono::seconds timeout() const { return timeout_; }
  int longest_wait() const { return hurries_ ? 5 : std::numeric_limits<int>::max(); }  // seconds

 private:
  /// DCMTK waits for the rest of what TLS has begun to receive without looking at the clock.
  void end_silence(const std::stop_token& over) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, over, std::chrono::milliseconds(100), [&] { return over.stop_requested(); })) {
      if (exchanges_ > 0 && is_silent()) end_locked("is silent for longer than the timeout");
    }
  }

  void end_locked(std::string_view reason) {
    if (reason_.empty()) reason_ = reason;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }

  std::chrono::seconds timeout_;
  bool tls_ = false, stopped_ = false;
  mutable std::mutex mutex_;
  std::set<int> sockets_;
  std::string reason_, local_address_;
  const Layer* other_ = nullptr;
  std::atomic<Clock::time_point> moved_ = Clock::now();
  std::atomic<int> exchanges_ = 0;
  std::atomic<bool> hurries_ = false;
  std::condition_variable_any wake_;
  std::jthread clock_{[this](const std::stop_token& over) { end_silence(over); }};
};

/// A connection of DCMTK's that is watched.
template <class Base>
class Watched : public Base {
 public:
  template <class... Arguments>
  Watched(Layer& layer, DcmNativeSocketType socket, Arguments... more)
      : Base(socket, more...), layer_(layer), watch_(layer.timeout()) {}
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() override { layer_.forget(this->getSocket()); }

  OFCondition clientSideHandshake() override {
    const Layer::Exchange exchange(layer_);
    return Base::clientSideHandshake();
  }

  OFCondition serverSideHandshake() override {
    const Layer::Exchange exchange(layer_);
    return Base::serverSideHandshake();
  }

  ssize_t read(void* buffer, std::size_t size) override {
    const Layer::Exchange exchange(layer_);
    const ssize_t count = Base::read(buffer, size);
    if (count <= 0) return count;
    layer_.has_moved();
    const auto reason = watch_.see({static_cast<const char*>(buffer), static_cast<std::size_t>(count)});
    if (reason.empty()) return count;
    layer_.end(reason);
    errno = EIO;
    return -1;
  }

  ssize_t write(void* buffer, std::size_t size) override {
    const Layer::Exchange exchange(layer_);
    const ssize_t count = Base::write(buffer, size);
    if (count > 0) layer_.has_moved();
    return count;
  }

  /// DCMTK takes the time that has gone off the timeout, and would wait for ever when less than nothing is left.
  OFBool networkDataAvailable(int seconds) override {
    if (Base::networkDataAvailable(std::clamp(seconds, 0, layer_.longest_wait()))) return OFTrue;
    while (seconds > 0 && layer_.other_moves()) {
      if (Base::networkDataAvailable(1)) return OFTrue;
    }
    return OFFalse;
  }

  void closeTransportConnection() override {
    layer_.forget(this->getSocket());
    Base::closeTransportConnection();
  }

 private:
  Layer& layer_;
  DimseWatch watch_;
};

DcmTransportConnection* Layer::createConnection(DcmNativeSocketType socket, OFBool) {
  // A command and its data set are two writes: the second would wait for the first one's receipt.
  const int at_once = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  SSL* tls = tls_ ? SSL_new(getNativeHandle()) : nullptr;
  if (tls_ && !tls) return nullptr;
  has_moved();
  const std::lock_guard lock(mutex_);
  local_address_ = local_address_of(socket);
  sockets_.insert(socket);
  if (stopped_) ::shutdown(socket, SHUT_RDWR);
  if (!tls) return new Watched<DcmTCPConnection>(*this, socket);
  SSL_set_fd(tls, socket);
  return new Watched<DcmTLSConnection>(*this, socket, tls);
}

}  // namespace

std::unique_ptr<Transport> make_transport(const Server& server, Transport::Role role) {
  if (server.tls) return std::make_unique<Layer>(server, role);
  return std::make_unique<Layer>(server);
}

}  // namespace pulmoseg::pacs
