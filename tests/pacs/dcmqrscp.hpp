#pragma once
// DCMTK's archive on loopback, as long as a test runs: another one than Orthanc, without DICOMweb.

#include <cstdint>
#include <optional>
#include <string>

#include "server_process.hpp"
#include "support/data.hpp"

namespace pulmoseg::test {

/// Whether it is installed.
bool has_dcmqrscp();

/// Knows one other AE, PULMOSEG at 127.0.0.1.
class Dcmqrscp {
 public:
  Dcmqrscp();

  std::string dicom() const;  ///< dicom://QRSCP@127.0.0.1:…
  std::uint16_t move_port() const { return move_port_; }

 private:
  TemporaryFolder folder_;
  std::uint16_t port_, move_port_;
  std::optional<ServerProcess> process_;
};

}  // namespace pulmoseg::test
