#pragma once
// A DIMSE node on loopback that accepts every association and then answers what the test wants, right or wrong; and messages
// put together byte by byte (PS3.7, 6.3.1; PS3.8, 9.3), not by the library under test.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "pulmoseg/pacs/server.hpp"

namespace pulmoseg::test {

/// A P-DATA-TF PDU with one fragment of a command or of a data set.
std::string fragment(const std::string& bytes, bool is_command, bool is_last = true);

/// An element in implicit VR little endian. The tag is 0xGGGGEEEE.
std::string implicit_element(std::uint32_t tag, const std::string& value);

/// The response to a C-FIND-RQ, with or without a data set behind it.
std::string find_response(std::uint16_t status, bool has_data_set);

class TinyNode {
 public:
  struct Answer {
    std::string bytes;
    bool slowly = false;       ///< a byte every 50 ms
    bool says_goodbye = true;  ///< answers an A-RELEASE-RQ
  };

  /// `answer` is given when the first request is there; then the connection stays open without a word.
  explicit TinyNode(Answer answer);
  TinyNode(const TinyNode&) = delete;
  TinyNode& operator=(const TinyNode&) = delete;
  ~TinyNode();

  pacs::Server server() const;

 private:
  void serve();
  void speak(int connection) const;

  Answer answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace pulmoseg::test
