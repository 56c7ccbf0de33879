#pragma once
// A server on loopback that answers what the test wants, right or wrong.

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pulmoseg::test {

/// Any port of loopback that is free now.
std::uint16_t free_port();

/// A socket bound to loopback, on a port that the system chooses.
int bound_socket(std::uint16_t& port);

/// What who connects to a port from an address of loopback gets: "refused", "nothing" (the end) or "patience".
std::string what_a_stranger_gets(const std::string& address, std::uint16_t port, const std::string& from);

class TinyServer {
 public:
  /// `answer` gets what came up to the first empty line (for DIMSE: the first bytes) and gives all bytes that go back, after
  /// which the connection is closed; an answer of "silence" sends nothing and keeps it open.
  explicit TinyServer(std::function<std::string(const std::string& request)> answer);
  TinyServer(const TinyServer&) = delete;
  TinyServer& operator=(const TinyServer&) = delete;
  ~TinyServer();

  std::uint16_t port() const { return port_; }
  std::vector<std::string> requests() const;

 private:
  void serve();

  std::function<std::string(const std::string&)> answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> over_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> silent_;
  std::thread thread_;
};

/// An HTTP answer with its length.
std::string http(int status, const std::string& content_type, const std::string& body);

}  // namespace pulmoseg::test
