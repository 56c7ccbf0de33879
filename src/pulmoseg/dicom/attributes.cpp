#include "pulmoseg/dicom/attributes.hpp"

#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <ctime>
#include <tuple>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"

namespace pulmoseg::dicom {
namespace {

void check(const OFCondition& condition, const DcmTagKey& tag) {
  if (condition.good()) return;
  throw Error(fmt::format("the DICOM attribute {} cannot be written: {}", tag.toString().c_str(), condition.text()));
}

}  // namespace

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  check(value.empty() ? item.insertEmptyElement(tag) : item.putAndInsertString(tag, value.c_str()), tag);
}

void put(DcmItem& item, const DcmTagKey& tag, std::uint16_t value) { check(item.putAndInsertUint16(tag, value), tag); }

void put(DcmItem& item, const DcmTagKey& tag, std::span<const std::uint16_t> values) {
  check(item.putAndInsertUint16Array(tag, values.data(), values.size()), tag);
}

void put(DcmItem& item, const DcmTagKey& tag, std::span<const std::uint32_t> values) {
  auto element = std::make_unique<DcmUnsignedLong>(DcmTag(tag));
  check(element->putUint32Array(values.data(), values.size()), tag);
  check(item.insert(element.release(), OFTrue), tag);
}

std::string decimal(double number) {
  constexpr std::size_t longest = 16;
  std::string text = fmt::format("{}", number);
  for (int digits = 16; text.size() > longest; --digits) text = fmt::format("{:.{}g}", number, digits);
  return text;
}

void put_decimals(DcmItem& item, const DcmTagKey& tag, std::span<const double> values) {
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(decimal(value));
  put(item, tag, fmt::format("{}", fmt::join(texts, "\\")));
}

void put_tag(DcmItem& item, const DcmTagKey& tag, const DcmTagKey& value) {
  check(item.putAndInsertTagKey(tag, value), tag);
}

DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* added = nullptr;
  check(item.findOrCreateSequenceItem(sequence, added, -2), sequence);
  return *added;
}

DcmItem& add_code(DcmItem& item, const DcmTagKey& sequence, const volume::Code& code) {
  DcmItem& coded = add_item(item, sequence);
  put(coded, DCM_CodeValue, code.value);
  put(coded, DCM_CodingSchemeDesignator, code.scheme);
  put(coded, DCM_CodeMeaning, code.meaning);
  return coded;
}

std::optional<std::string> value_of(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  if (item.findAndGetOFStringArray(tag, value).bad()) return std::nullopt;
  const std::string text = value.c_str();  // up to a byte of zero, with which some writers pad
  return text.empty() ? std::nullopt : std::optional(text);
}

std::unique_ptr<DcmFileFormat> load_attributes(const std::filesystem::path& file) {
  volume::silence_dcmtk();
  auto loaded = std::make_unique<DcmFileFormat>();
  const OFCondition condition = loaded->loadFileUntilTag(file.c_str(), EXS_Unknown, EGL_noChange, DCM_MaxReadLength,
                                                         ERM_autoDetect, DCM_PixelData);
  if (condition.good()) return loaded;
  throw Error(fmt::format("{}: cannot be read as DICOM ({}), expected the file that was read before", file.string(),
                          condition.text()));
}

std::string ascii(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> signs{{{"≥", ">="},
                                                                                        {"≤", "<="},
                                                                                        {"−", "-"},
                                                                                        {"–", "-"},
                                                                                        {"×", "x"},
                                                                                        {"°", " degrees"},
                                                                                        {"²", "^2"},
                                                                                        {"³", "^3"},
                                                                                        {"±", "+-"},
                                                                                        {"’", "'"}}};
  std::string plain;
  while (!text.empty()) {
    std::string_view from = text.substr(0, 1), to = static_cast<unsigned char>(text[0]) < 0x80 ? from : "?";
    for (const auto& [sign, spelt] : signs) {
      if (text.starts_with(sign)) std::tie(from, to) = std::tie(sign, spelt);
    }
    const bool inside_of_sign = (static_cast<unsigned char>(from[0]) & 0xc0) == 0x80;
    if (!inside_of_sign) plain += to;
    text.remove_prefix(from.size());
  }
  return plain;
}

Moment now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  localtime_r(&seconds, &local);
  return {fmt::format("{:04}{:02}{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday),
          fmt::format("{:02}{:02}{:02}", local.tm_hour, local.tm_min, local.tm_sec)};
}

}  // namespace pulmoseg::dicom
