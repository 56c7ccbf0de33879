#pragma once
// A server that a test starts and ends.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pulmoseg::test {

/// Killed with the test, however that ends.
class ServerProcess {
 public:
  ServerProcess(std::vector<std::string> arguments, std::filesystem::path log);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  /// Until it accepts connections there. Throws what it said when it does not.
  void wait_for(std::uint16_t port) const;

 private:
  std::filesystem::path log_;
  pid_t process_ = -1;
};

}  // namespace pulmoseg::test
