#include "pulmoseg/volume/dicom_values.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcspchrs.h>
#include <dcmtk/dcmdata/dctk.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::volume {
namespace {

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace

DcmElement* element_of(DcmItem& item, const DcmTagKey& tag) {
  constexpr Uint32 longest = 1 << 16;
  DcmElement* found = nullptr;
  return item.findAndGetElement(tag, found).good() && found && found->getLengthField() <= longest ? found : nullptr;
}

DcmItem* first_item(DcmItem* item, const DcmTagKey& sequence) {
  DcmItem* found = nullptr;
  return item && item->findAndGetSequenceItem(sequence, found, 0).good() ? found : nullptr;
}

std::string encoded_text(DcmItem* item, const DcmTagKey& tag) {
  OFString value;
  DcmElement* const found = item ? element_of(*item, tag) : nullptr;
  if (!found || found->getOFStringArray(value).bad()) return "";
  std::string_view view(value.c_str(), value.length());
  constexpr std::string_view padding(" \0", 2);
  const auto first = view.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  view.remove_prefix(first);
  return std::string(view.substr(0, view.find_last_not_of(padding) + 1));
}

std::string text_of(DcmItem* item, const DcmTagKey& tag) { return printable(encoded_text(item, tag)); }

std::string to_utf8(DcmItem& data_set, const std::string& encoded) {
  if (std::ranges::all_of(encoded, [](char c) { return is_ascii(c) && c != '\x1b'; })) return printable(encoded);
  DcmSpecificCharacterSet converter;
  OFString converted;
  if (converter.selectCharacterSet(data_set).good() &&
      converter.convertString(OFString(encoded.data(), encoded.size()), converted, "\\^=").good()) {
    return printable({converted.data(), converted.size()});
  }
  std::string readable = encoded;
  std::ranges::replace_if(
      readable, [](char c) { return !is_ascii(c); }, '?');
  return printable(readable);
}

std::optional<double> decimal(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto number = parse_number<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

template <std::size_t count>
std::optional<std::array<double, count>> decimals(std::string_view text) {
  const auto texts = split(text, '\\');
  if (texts.size() != count) return std::nullopt;
  std::array<double, count> numbers{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = decimal(texts[i]);
    if (!number) return std::nullopt;
    numbers[i] = *number;
  }
  return numbers;
}

template std::optional<std::array<double, 2>> decimals(std::string_view);
template std::optional<std::array<double, 3>> decimals(std::string_view);
template std::optional<std::array<double, 6>> decimals(std::string_view);

}  // namespace pulmoseg::volume
