#include "pulmoseg/pacs/ipv4.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::pacs {
namespace {

std::string text_of(const in_addr& address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  return ::inet_ntop(AF_INET, &address, text.data(), text.size()) ? text.data() : "";
}

}  // namespace

std::set<std::string> addresses_of(const Server& server) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int failed = ::getaddrinfo(server.host.c_str(), nullptr, &hints, &list); failed != 0) {
    throw Error(fmt::format("{}: the host has no IPv4 address ({}), and dicom:// goes by no other", server.name,
                            ::gai_strerror(failed)));
  }
  std::set<std::string> addresses;
  for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
    addresses.insert(text_of(reinterpret_cast<const sockaddr_in*>(entry->ai_addr)->sin_addr));
  }
  ::freeaddrinfo(list);
  return addresses;
}

std::string local_address_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  return text_of(address.sin_addr);
}

Listener::Listener(const std::string& address, std::uint16_t port) : name_(fmt::format("{}:{}", address, port)) {
  sockaddr_in wanted{};
  wanted.sin_family = AF_INET;
  wanted.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &wanted.sin_addr) != 1) {
    throw UsageError(fmt::format("'{}' is no IPv4 address to listen on", address));
  }
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int reuse = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&wanted), sizeof wanted) == 0 && ::listen(socket_, 16) == 0)
    return;
  const std::string reason = std::generic_category().message(errno);
  ::close(socket_);
  throw Error(fmt::format("{}: cannot be listened on: {}", name_, reason));
}

void Listener::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

Listener::Call Listener::accept() const {
  constexpr int moment = 100;  // ms
  pollfd waiting{socket_, POLLIN, 0};
  if (::poll(&waiting, 1, moment) <= 0) return {};
  sockaddr_in caller{};
  socklen_t size = sizeof caller;
  const int connection = ::accept4(socket_, reinterpret_cast<sockaddr*>(&caller), &size, SOCK_CLOEXEC);
  return {.socket = connection, .from = text_of(caller.sin_addr)};
}

}  // namespace pulmoseg::pacs
