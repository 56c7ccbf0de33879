#pragma once
// multipart/related as it streams in (RFC 2046, 5.1; RFC 2387): WADO-RS sends instances so (PS3.18, 8.6.1.2).

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pulmoseg::pacs {

/// The boundary that a Content-Type of multipart/related names; nothing for another type.
std::optional<std::string> boundary_of(std::string_view content_type);

/// Hands the content of each part on as it comes; of one part, no more is kept than a delimiter is long.
/// Error when the parts are not laid out as they should be. Threads: one at a time.
class MultipartReader {
 public:
  struct Parts {
    std::function<void()> begin;
    std::function<void(std::string_view)> content;
    std::function<void()> end;
  };

  MultipartReader(const std::string& boundary, Parts parts);

  void feed(std::string_view bytes);

  /// To be called when all has come: Error when the closing delimiter has not.
  void finish() const;

 private:
  bool step();  // false: needs more bytes
  bool read_up_to_delimiter();
  bool read_delimiter_line();
  bool read_headers();
  void pass_over(std::size_t bytes);

  enum class State { preamble, content, delimiter_line, headers, over };

  std::string delimiter_, pending_;
  std::size_t around_ = 0;  // bytes before the first part and behind the last
  Parts parts_;
  State state_ = State::preamble;
};

}  // namespace pulmoseg::pacs
