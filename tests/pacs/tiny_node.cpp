#include "tiny_node.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "tiny_server.hpp"

namespace pulmoseg::test {
namespace {

constexpr char associate_rq = 1, associate_ac = 2, p_data = 4, release_rq = 5, release_rp = 6;

std::string big_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string text = big_endian(value, bytes);
  return {text.rbegin(), text.rend()};
}

std::size_t number(const std::string& bytes, std::size_t at, std::size_t size) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

std::string pdu(char type, const std::string& content) {
  return std::string{type, '\0'} + big_endian(static_cast<std::uint32_t>(content.size()), 4) + content;
}

std::string item(char type, const std::string& content) {
  return std::string{type, '\0'} + big_endian(static_cast<std::uint32_t>(content.size()), 2) + content;
}

/// Whole, or empty when the other side is gone or the test over.
std::string receive(int connection, std::size_t size, const std::atomic<bool>& over) {
  std::string bytes;
  while (bytes.size() < size && !over) {
    pollfd waiting{connection, POLLIN, 0};
    if (::poll(&waiting, 1, 50) <= 0) continue;
    std::string some(size - bytes.size(), '\0');
    const ssize_t count = ::recv(connection, some.data(), some.size(), 0);
    if (count <= 0) return "";
    bytes.append(some, 0, static_cast<std::size_t>(count));
  }
  return bytes.size() == size ? bytes : "";
}

std::string receive_pdu(int connection, const std::atomic<bool>& over) {
  const std::string head = receive(connection, 6, over);
  if (head.empty()) return "";
  return head + receive(connection, number(head, 2, 4), over);
}

bool send_some(int connection, const std::string& bytes) {
  return ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

/// Accepts all presentation contexts of an A-ASSOCIATE-RQ, in implicit VR little endian.
std::string acceptance(const std::string& request) {
  constexpr std::size_t fixed = 74;  // up to the items
  constexpr char application = 0x10, context_rq = 0x20, context_ac = 0x21, transfer_syntax = 0x40, user = 0x50;
  std::string items = item(application, "1.2.840.10008.3.1.1.1");
  for (std::size_t at = fixed; at + 4 <= request.size(); at += 4 + number(request, at + 2, 2)) {
    if (request[at] != context_rq) continue;
    const std::string id{request.at(at + 4), '\0', '\0', '\0'};
    items += item(context_ac, id + item(transfer_syntax, "1.2.840.10008.1.2"));
  }
  items += item(user, item(0x51, big_endian(16384, 4)) + item(0x52, "2.25.7"));
  return pdu(associate_ac, request.substr(6, fixed - 6) + items);
}

}  // namespace

std::string fragment(const std::string& bytes, bool is_command, bool is_last) {
  constexpr char context = 1;
  const std::string value{context, static_cast<char>((is_command ? 1 : 0) | (is_last ? 2 : 0))};
  return pdu(p_data, big_endian(static_cast<std::uint32_t>(bytes.size() + 2), 4) + value + bytes);
}

std::string implicit_element(std::uint32_t tag, const std::string& value) {
  return little_endian(tag >> 16, 2) + little_endian(tag & 0xffff, 2) +
         little_endian(static_cast<std::uint32_t>(value.size()), 4) + value;
}

std::string find_response(std::uint16_t status, bool has_data_set) {
  const std::string find("1.2.840.10008.5.1.4.1.2.2.1\0", 28);
  const std::string command = implicit_element(0x00000002, find) +
                              implicit_element(0x00000100, little_endian(0x8020, 2)) +
                              implicit_element(0x00000120, little_endian(1, 2)) +
                              implicit_element(0x00000800, little_endian(has_data_set ? 1 : 0x101, 2)) +
                              implicit_element(0x00000900, little_endian(status, 2));
  return implicit_element(0x00000000, little_endian(static_cast<std::uint32_t>(command.size()), 4)) + command;
}

TinyNode::TinyNode(Answer answer) : answer_(std::move(answer)) {
  listener_ = bound_socket(port_);
  ::listen(listener_, 8);
  thread_ = std::thread([this] { serve(); });
}

TinyNode::~TinyNode() {
  over_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

pacs::Server TinyNode::server() const {
  return pacs::parse_address(fmt::format("dicom://X@127.0.0.1:{}", port_)).server;
}

void TinyNode::serve() {
  while (!over_) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    speak(connection);
    ::close(connection);
  }
}

void TinyNode::speak(int connection) const {
  const std::string request = receive_pdu(connection, over_);
  if (request.empty() || request[0] != associate_rq || !send_some(connection, acceptance(request))) return;
  receive_pdu(connection, over_);  // the command
  receive_pdu(connection, over_);  // its data set
  if (!answer_.slowly) {
    send_some(connection, answer_.bytes);
  } else {
    for (const char byte : answer_.bytes) {
      if (over_ || !send_some(connection, std::string(1, byte))) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  for (std::string last = "-"; !over_ && !last.empty();) {
    last = receive_pdu(connection, over_);
    if (last.starts_with(release_rq) && answer_.says_goodbye)
      send_some(connection, pdu(release_rp, std::string(4, '\0')));
  }
}

}  // namespace pulmoseg::test
