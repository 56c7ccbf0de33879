#include "pulmoseg/pacs/attributes.hpp"

namespace pulmoseg::pacs {

const std::string& value_of(const Attributes& attributes, std::uint32_t tag) {
  static const std::string none;
  const auto found = attributes.find(tag);
  return found == attributes.end() ? none : found->second;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    const char letter = code < ' ' || code == 0x7f ? ' ' : c;
    if (letter != ' ' || (!line.empty() && line.back() != ' ')) line += letter;
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace pulmoseg::pacs
