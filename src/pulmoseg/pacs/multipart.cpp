#include "pulmoseg/pacs/multipart.hpp"

#include <algorithm>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t longest_headers = 16 << 10, most_around = 1 << 20;

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return lower(std::string(a)) == lower(std::string(b));
}

/// Up to the next semicolon that stands outside of quotes; takes it off `rest`.
std::string_view next_parameter(std::string_view& rest) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < rest.size() && (quoted || rest[end] != ';'); ++end) quoted ^= rest[end] == '"';
  const auto parameter = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trimmed(parameter);
}

}  // namespace

std::optional<std::string> boundary_of(std::string_view content_type) {
  if (!equal_in_any_case(next_parameter(content_type), "multipart/related")) return std::nullopt;
  while (!content_type.empty()) {
    const auto parameter = next_parameter(content_type);
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    if (!equal_in_any_case(trimmed(parameter.substr(0, equals)), "boundary")) continue;
    auto value = trimmed(parameter.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (value.empty() || value.size() > 70) return std::nullopt;
    return std::string(value);
  }
  return std::nullopt;
}

// A line end is put before the first byte: the first delimiter may have none of its own.
MultipartReader::MultipartReader(const std::string& boundary, Parts parts)
    : delimiter_("\r\n--" + boundary), pending_("\r\n"), parts_(std::move(parts)) {}

void MultipartReader::feed(std::string_view bytes) {
  if (state_ == State::over) return pass_over(bytes.size());  // an epilogue says nothing
  pending_ += bytes;
  while (step()) {
  }
}

void MultipartReader::pass_over(std::size_t bytes) {
  around_ += bytes;
  if (around_ > most_around) throw Error("the answer is no multipart/related: it goes on without a part");
}

void MultipartReader::finish() const {
  if (state_ != State::over) throw Error("the answer broke off before its end");
}

bool MultipartReader::step() {
  switch (state_) {
    case State::preamble:
    case State::content: return read_up_to_delimiter();
    case State::delimiter_line: return read_delimiter_line();
    case State::headers: return read_headers();
    case State::over: break;
  }
  return false;
}

bool MultipartReader::read_up_to_delimiter() {
  const auto at = pending_.find(delimiter_);
  const bool found = at != std::string::npos;
  const auto sure = found ? at : pending_.size() - std::min(pending_.size(), delimiter_.size() - 1);
  if (state_ == State::content && sure > 0) parts_.content(std::string_view(pending_).substr(0, sure));
  if (state_ == State::preamble) pass_over(sure);
  pending_.erase(0, found ? at + delimiter_.size() : sure);
  if (!found) return false;
  if (state_ == State::content) parts_.end();
  state_ = State::delimiter_line;
  return true;
}

bool MultipartReader::read_delimiter_line() {
  if (pending_.starts_with("--")) {
    state_ = State::over;
    return false;
  }
  const auto end = pending_.find("\r\n");
  if (end == std::string::npos && pending_.size() < longest_headers) return false;
  if (end == std::string::npos || !trimmed(std::string_view(pending_).substr(0, end)).empty()) {
    throw Error("the answer is no multipart/related: something follows a delimiter");
  }
  pending_.erase(0, end);  // the line end stays: headers may be none
  state_ = State::headers;
  return true;
}

bool MultipartReader::read_headers() {
  const auto end = pending_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (pending_.size() > longest_headers) throw Error("the answer is no multipart/related: a part has no content");
    return false;
  }
  pending_.erase(0, end + 4);
  parts_.begin();
  state_ = State::content;
  return true;
}

}  // namespace pulmoseg::pacs
