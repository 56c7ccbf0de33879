#pragma once
// What a DIMSE node sends, looked through before DCMTK reads it (PS3.8, 9.3; PS3.7, 6.3). Internal to pacs/.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pulmoseg::pacs {

/// Commands and the answers to a search are read into memory, and items in items by calls in calls; both are kept small here.
/// What comes with a C-STORE goes into a file, which is looked through when it is whole.
/// Threads: one at a time.
class DimseWatch {
 public:
  using Clock = std::chrono::steady_clock;

  /// A message that takes longer than `timeout` must come with at least 1000 bytes a second.
  explicit DimseWatch(std::chrono::seconds timeout) : timeout_(timeout) {}

  /// Of the next bytes of a connection: why DCMTK must not have them, or "".
  std::string_view see(std::string_view bytes, Clock::time_point now = Clock::now());

 private:
  bool is_in_message() const { return !header_.empty() || pdu_left_ > 0 || in_fragments_; }
  std::string_view take_header(std::string_view bytes);
  std::string_view take_content(std::string_view bytes);
  std::string_view look_at(std::string_view bytes);
  void end_fragment();

  std::chrono::seconds timeout_;
  Clock::time_point begun_{};  // of the message
  std::uint64_t size_ = 0;

  std::string header_;                              // of a PDU, or of a PDV in one: 6 bytes, while they come
  std::uint64_t pdu_left_ = 0, content_left_ = 0;   // content: of the PDV, or of a PDU without any
  bool holds_pdvs_ = false, in_fragments_ = false;  // between the first fragment of a message and the last
  bool is_command_ = false, is_last_ = false, stores_ = false;

  std::string command_, seam_;  // the latter: the last 3 bytes
  std::size_t items_ = 0, kept_ = 0;
};

}  // namespace pulmoseg::pacs
