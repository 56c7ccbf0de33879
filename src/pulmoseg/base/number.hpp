#pragma once
// Numbers from text, whatever the locale says. (To text: fmt, which ignores the locale.)

#include <charconv>
#include <optional>
#include <string_view>

namespace pulmoseg {

/// The number that `text` is from its first to its last character, or nothing.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace pulmoseg
