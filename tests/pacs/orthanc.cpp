#include "orthanc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pulmoseg/base/output_file.hpp"
#include "server_process.hpp"
#include "tiny_server.hpp"

namespace pulmoseg::test {
namespace fs = std::filesystem;
namespace {

constexpr const char* server_program = "/usr/sbin/Orthanc";
constexpr const char* tls_program = "/usr/bin/socat";
constexpr const char* web_plugin = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

void run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) throw std::runtime_error("failed: " + command);
}

}  // namespace

bool has_orthanc() {
  const auto programs = {server_program, web_plugin, tls_program, "/usr/bin/openssl"};
  return std::ranges::all_of(programs, [](const char* program) { return fs::exists(program); });
}

TestCertificates::TestCertificates() {
  const auto file = [&](const std::string& name) { return (folder_ / name).string(); };
  for (const std::string name : {"ca", "other-ca"}) {
    run(fmt::format("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={} -keyout {} -out {}", name,
                    file(name + ".key"), file(name + ".pem")));
  }
  for (const std::string name : {"server", "client"}) {
    run(
        fmt::format("openssl req -x509 -CA {} -CAkey {} -newkey rsa:2048 -nodes -days 2 -subj /CN={} "
                    "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout {} -out {}",
                    file("ca.pem"), file("ca.key"), name, file(name + ".key"), file(name + ".pem")));
  }
}

Orthanc::Orthanc(const OrthancOptions& options)
    : tls_(options.certificates != nullptr),
      http_port_(free_port()),
      tls_port_(free_port()),
      dicom_port_(free_port()),
      move_port_(free_port()) {
  nlohmann::json settings{{"Name", "pulmoseg test"},
                          {"StorageDirectory", (folder_ / "db").string()},
                          {"IndexDirectory", (folder_ / "db").string()},
                          {"Plugins", {web_plugin}},
                          {"HttpPort", http_port_},
                          {"RemoteAccessAllowed", false},
                          {"AuthenticationEnabled", options.password},
                          {"RegisteredUsers", {{"reader", "open sesame"}}},
                          {"DicomServerEnabled", true},
                          {"DicomAet", "ORTHANC"},
                          {"DicomPort", dicom_port_},
                          {"DicomCheckCalledAet", true},
                          {"DicomCheckModalityHost", true},
                          {"DicomAlwaysAllowEcho", false},
                          {"DicomAlwaysAllowStore", false},
                          {"DicomWeb", {{"Enable", true}}},
                          {"DicomModalities",
                           {{"pulmoseg",
                             {{"AET", "PULMOSEG"},
                              {"Host", "127.0.0.1"},
                              {"Port", move_port_},
                              {"AllowFind", true},
                              {"AllowGet", true},
                              {"AllowMove", true},
                              {"AllowStore", true},
                              {"UseDicomTls", tls_}}}}}};
  if (tls_) {
    const auto& certificates = *options.certificates;
    settings["DicomTlsEnabled"] = true;
    settings["DicomTlsCertificate"] = (certificates / "server.pem").string();
    settings["DicomTlsPrivateKey"] = (certificates / "server.key").string();
    settings["DicomTlsTrustedCertificates"] = (certificates / "ca.pem").string();
  }
  fs::create_directory(folder_ / "db");
  write_file(folder_ / "orthanc.json", settings.dump());
  process_.emplace(std::vector<std::string>{server_program, (folder_ / "orthanc.json").string()}, folder_ / "log");
  if (tls_) {
    const auto& certificates = *options.certificates;
    tls_process_.emplace(
        std::vector<std::string>{
            tls_program,
            fmt::format("OPENSSL-LISTEN:{},bind=127.0.0.1,cert={},key={},verify=0,reuseaddr,fork", tls_port_,
                        (certificates / "server.pem").string(), (certificates / "server.key").string()),
            fmt::format("TCP:127.0.0.1:{}", http_port_)},
        folder_ / "log");
  }
  process_->wait_for(http_port_);
  process_->wait_for(dicom_port_);
  if (tls_) tls_process_->wait_for(tls_port_);
}

std::string Orthanc::web() const {
  return fmt::format("http{}://127.0.0.1:{}/dicom-web", tls_ ? "s" : "", tls_ ? tls_port_ : http_port_);
}

std::string Orthanc::dicom() const {
  return fmt::format("dicom{}://ORTHANC@127.0.0.1:{}", tls_ ? "s" : "", dicom_port_);
}

}  // namespace pulmoseg::test
