#include "pulmoseg/volume/dicom_outline.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <vector>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::volume {
namespace {

constexpr std::uint32_t media_sop_class_tag = 0x00020002, transfer_syntax_tag = 0x00020010, sop_class_tag = 0x00080016,
                        series_tag = 0x0020000e, pixel_data_tag = 0x7fe00010, item_end = 0xfffee00d,
                        sequence_end = 0xfffee0dd;
constexpr std::uint32_t undefined_length = 0xffffffff;

struct Encoding {
  bool explicit_vr = true;  ///< the elements name their types (value representations)
  bool big_endian = false;
};

struct Element {
  std::uint32_t tag = 0;
  std::string_view vr;  ///< empty when it is implicit
  std::uint32_t length = 0;
};

std::uint32_t number(std::string_view bytes, bool big_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[big_endian ? i : bytes.size() - 1 - i]);
  }
  return value;
}

bool is_vr(std::string_view text) {
  return std::ranges::all_of(text, [](char letter) { return letter >= 'A' && letter <= 'Z'; });
}

bool has_long_length(std::string_view vr) {
  constexpr std::array<std::string_view, 13> long_ones{"OB", "OD", "OF", "OL", "OV", "OW", "SQ",
                                                       "SV", "UC", "UN", "UR", "UT", "UV"};
  return std::ranges::find(long_ones, vr) != long_ones.end();
}

/// Takes tag, type and length off `rest`; false when they are cut.
bool take_head(std::string_view& rest, Encoding encoding, Element& element) {
  if (rest.size() < 8) return false;
  const auto read = [&](std::size_t at, std::size_t bytes) {
    return number(rest.substr(at, bytes), encoding.big_endian);
  };
  const std::uint32_t group = read(0, 2);
  element = {.tag = group << 16 | read(2, 2), .vr = {}, .length = read(4, 4)};
  std::size_t head = 8;
  if (encoding.explicit_vr && group != 0xfffe && is_vr(rest.substr(4, 2))) {  // fffe: items and their ends
    element.vr = rest.substr(4, 2);
    if (has_long_length(element.vr)) head = 12;
    if (rest.size() < head) return false;
    element.length = head == 12 ? read(8, 4) : read(6, 2);
  }
  rest.remove_prefix(head);
  return true;
}

std::string uid(std::string_view value) {
  return std::string(value.substr(0, value.find_first_of(std::string_view("\0 ", 2))));
}

void note(const Element& element, std::string_view value, DicomOutline& outline) {
  if (element.tag == sop_class_tag) outline.sop_class = uid(value);
  if (element.tag == series_tag) outline.series = uid(value);
  if (element.tag == pixel_data_tag) {
    outline.has_pixels = true;
    outline.pixel_bytes = value.size();
  }
}

/// Steps over a data set; false when an element is cut.
bool walk(std::string_view rest, Encoding encoding, DicomOutline& outline) {
  std::vector<Encoding> open{encoding};  // of the data set and of what is in it without a length: sequences, items …
  while (rest.size() >= 4) {             // GDCM too ignores what is shorter than a tag
    Element element;
    if (!take_head(rest, open.back(), element)) return false;
    const bool inside = open.size() > 1;
    if (element.tag == item_end || element.tag == sequence_end) {
      if (!inside) return false;
      open.pop_back();
    } else if (element.length == undefined_length) {
      if (!inside && element.tag == pixel_data_tag) outline.has_pixels = true;
      open.push_back(element.vr == "UN" ? Encoding{.explicit_vr = false} : open.back());
    } else {
      if (element.length > rest.size()) return false;
      if (!inside) note(element, rest.substr(0, element.length), outline);
      rest.remove_prefix(element.length);
    }
  }
  return open.size() == 1;
}

/// Unpacks raw deflate; nothing when the stream has no end.
std::optional<std::string> inflated(std::string_view packed) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return std::nullopt;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string bytes;
  std::vector<char> buffer(1 << 16);
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = inflate(&stream, Z_NO_FLUSH);
    bytes.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return state == Z_STREAM_END ? std::optional(bytes) : std::nullopt;
}

/// Takes the elements of group 2 off `rest`, which come first, in explicit VR little endian; false when one is cut.
bool take_meta_information(std::string_view& rest, DicomOutline& outline, std::string& transfer_syntax) {
  while (rest.substr(0, 2) == std::string_view("\2\0", 2)) {
    Element element;
    if (!take_head(rest, {}, element) || element.length > rest.size()) return false;
    const std::string_view value = rest.substr(0, element.length);
    if (element.tag == media_sop_class_tag) outline.sop_class = uid(value);
    if (element.tag == transfer_syntax_tag) transfer_syntax = uid(value);
    rest.remove_prefix(element.length);
  }
  return true;
}

DicomOutline outline_of(std::string_view rest) {
  DicomOutline outline;
  std::string syntax;
  if (!take_meta_information(rest, outline, syntax)) return outline;
  if (syntax == "1.2.840.10008.1.2.1.99") {
    const auto bytes = inflated(rest);
    outline.whole = bytes && walk(*bytes, {}, outline);
    return outline;
  }
  const bool implicit = syntax == "1.2.840.10008.1.2" || syntax == "1.2.840.113619.5.2";  // the latter is GE's own
  outline.whole = walk(rest, {.explicit_vr = !implicit, .big_endian = syntax == "1.2.840.10008.1.2.2"}, outline);
  return outline;
}

}  // namespace

std::optional<DicomOutline> read_dicom_outline(const std::filesystem::path& file) {
  std::array<char, 132> begin{};
  std::ifstream(file, std::ios::binary).read(begin.data(), begin.size());
  const bool marked = std::string_view(begin.data() + 128, 4) == "DICM";
  const bool begins_with_group_2_or_8 = (begin[0] == 2 || begin[0] == 8) && begin[1] == 0;
  if (!marked && !begins_with_group_2_or_8) return std::nullopt;
  const std::string bytes = read_file(file);
  const DicomOutline outline = outline_of(std::string_view(bytes).substr(marked ? 132 : 0));
  return marked || outline.whole ? std::optional(outline) : std::nullopt;
}

}  // namespace pulmoseg::volume
