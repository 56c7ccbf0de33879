#include "tiny_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace pulmoseg::test {
namespace {

void send_all(int connection, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t some = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (some <= 0) return;
    sent += static_cast<std::size_t>(some);
  }
}

/// Up to the end of an HTTP request, body included, or what came within a moment.
std::string receive_request(int connection) {
  std::string request;
  std::array<char, 65536> some{};
  while (true) {
    pollfd waiting{connection, POLLIN, 0};
    const bool has_head = request.find("\r\n\r\n") != std::string::npos || !request.starts_with("GET");
    if (::poll(&waiting, 1, has_head && !request.empty() ? 200 : 5000) <= 0) return request;
    const ssize_t count = ::recv(connection, some.data(), some.size(), 0);
    if (count <= 0) return request;
    request.append(some.data(), static_cast<std::size_t>(count));
    if (request.starts_with("GET") && request.find("\r\n\r\n") != std::string::npos) return request;
  }
}

}  // namespace

int bound_socket(std::uint16_t& port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port on loopback");
  }
  port = ntohs(address.sin_port);
  return descriptor;
}

std::uint16_t free_port() {
  std::uint16_t port = 0;
  ::close(bound_socket(port));
  return port;
}

std::string what_a_stranger_gets(const std::string& address, std::uint16_t port, const std::string& from) {
  const auto at = [](const std::string& text, std::uint16_t number) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(number);
    ::inet_pton(AF_INET, text.c_str(), &place.sin_addr);
    return place;
  };
  const auto here = at(from, 0), there = at(address, port);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::bind(socket, reinterpret_cast<const sockaddr*>(&here), sizeof here);
  std::string got = "refused";
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0) {
    pollfd waiting{socket, POLLIN, 0};
    got = ::poll(&waiting, 1, 3000) > 0 ? "nothing" : "patience";
  }
  ::close(socket);
  return got;
}

TinyServer::TinyServer(std::function<std::string(const std::string&)> answer) : answer_(std::move(answer)) {
  listener_ = bound_socket(port_);
  ::listen(listener_, 8);
  thread_ = std::thread([this] { serve(); });
}

TinyServer::~TinyServer() {
  over_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  for (const int connection : silent_) ::close(connection);
}

std::vector<std::string> TinyServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TinyServer::serve() {
  while (!over_) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const std::string request = receive_request(connection);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const std::string answer = answer_(request);
    if (answer == "silence") {
      silent_.push_back(connection);
      continue;
    }
    send_all(connection, answer);
    ::close(connection);
  }
}

std::string http(int status, const std::string& content_type, const std::string& body) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                     content_type, body.size(), body);
}

}  // namespace pulmoseg::test
