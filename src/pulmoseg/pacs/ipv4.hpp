#pragma once
// Hosts and sockets of IPv4, which is all that DCMTK 3.6.7 speaks. Internal to pacs/.

#include <cstdint>
#include <set>
#include <string>

#include "pulmoseg/pacs/server.hpp"

namespace pulmoseg::pacs {

/// "127.0.0.1", of the server's host. Error when it has none.
std::set<std::string> addresses_of(const Server& server);

/// Our address on a connection, or "".
std::string local_address_of(int socket);

/// A socket that listens on one address and a port. Threads: one at a time.
class Listener {
 public:
  /// UsageError when `address` is none. Error when it is not ours or the port is taken.
  Listener(const std::string& address, std::uint16_t port);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { close(); }

  void close();

  /// ADDRESS:PORT
  const std::string& name() const { return name_; }

  struct Call {
    int socket = -1;  ///< for the one who asked to close; -1 when none came for a moment
    std::string from{};
  };
  Call accept() const;

 private:
  std::string name_;
  int socket_ = -1;
};

}  // namespace pulmoseg::pacs
