#include "pulmoseg/report/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace pulmoseg::report {
namespace {

/// Length in bytes of the UTF-8 character at the start of `text`, 0 when there is none.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  std::uint32_t code = length == 1 ? first : first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if (next >> 6 != 2) return 0;
    code = code << 6 | (next & 0x3f);
  }
  constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};  // shorter spellings are not allowed
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < smallest[length] || code > 0x10ffff || surrogate ? 0 : length;
}

}  // namespace

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const bool printable = length > 1 || (length == 1 && static_cast<unsigned char>(text[0]) >= 0x20);
    all.emplace_back(printable ? std::string(text.substr(0, length)) : "?");
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return all;
}

std::string clean(std::string_view text) {
  std::string joined;
  for (const auto& character : characters(text)) joined += character;
  return joined;
}

}  // namespace pulmoseg::report
