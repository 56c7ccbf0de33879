#pragma once
// Debian's Orthanc as a picture archive on loopback, as long as a test runs.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "pulmoseg/pacs/server.hpp"
#include "server_process.hpp"
#include "support/data.hpp"

namespace pulmoseg::test {

/// Whether Orthanc, its DICOMweb plugin, openssl and socat are installed.
bool has_orthanc();

/// An authority, the certificate of a server at 127.0.0.1, and ours; another authority that vouched for neither.
class TestCertificates {
 public:
  TestCertificates();
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
};

struct OrthancOptions {
  /// With TLS. HTTPS is socat's: Debian 12's Orthanc ends by a segmentation fault on its first HTTPS request.
  const TestCertificates* certificates = nullptr;
  bool password = false;  ///< HTTP asks for user "reader", password "open sesame"
};

/// Knows one other AE, PULMOSEG at 127.0.0.1. Killed with the test, however that ends.
class Orthanc {
 public:
  explicit Orthanc(const OrthancOptions& options = {});
  Orthanc(const Orthanc&) = delete;
  Orthanc& operator=(const Orthanc&) = delete;

  std::string web() const;    ///< http[s]://127.0.0.1:…/dicom-web
  std::string dicom() const;  ///< dicom[s]://ORTHANC@127.0.0.1:…
  std::uint16_t move_port() const { return move_port_; }

 private:
  TemporaryFolder folder_;
  bool tls_;
  std::uint16_t http_port_, tls_port_, dicom_port_, move_port_;
  std::optional<ServerProcess> process_, tls_process_;
};

}  // namespace pulmoseg::test

/// First line of a test that needs a picture archive: skips it by name where that is missing.
#define PULMOSEG_REQUIRE_ORTHANC() \
  if (!pulmoseg::test::has_orthanc()) GTEST_SKIP() << "needs Debian's orthanc, orthanc-dicomweb, openssl and socat"
