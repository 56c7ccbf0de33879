#include "dcmqrscp.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "pulmoseg/base/output_file.hpp"
#include "tiny_server.hpp"

namespace pulmoseg::test {
namespace {

constexpr const char* server_program = "/usr/bin/dcmqrscp";

}  // namespace

bool has_dcmqrscp() { return std::filesystem::exists(server_program); }

Dcmqrscp::Dcmqrscp() : port_(free_port()), move_port_(free_port()) {
  std::filesystem::create_directory(folder_ / "db");
  const std::string settings = fmt::format(
      R"(NetworkTCPPort = {}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
ours = (PULMOSEG, 127.0.0.1, {})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {} RW (100, 64mb) ANY
AETable END
)",
      port_, move_port_, (folder_ / "db").string());
  write_file(folder_ / "dcmqrscp.cfg", settings);
  process_.emplace(std::vector<std::string>{server_program, "-c", (folder_ / "dcmqrscp.cfg").string()},
                   folder_ / "log");
  process_->wait_for(port_);
}

std::string Dcmqrscp::dicom() const { return fmt::format("dicom://QRSCP@127.0.0.1:{}", port_); }

}  // namespace pulmoseg::test
