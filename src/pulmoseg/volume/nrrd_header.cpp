#include "pulmoseg/volume/nrrd_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <optional>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t longest_header = std::size_t{1} << 22;

/// The fields that say where the voxels are, in the order in which they are written ("space" before what it explains).
constexpr std::array<std::string_view, 12> placing_fields{
    "dimension", "space",      "space dimension", "sizes", "space directions", "space origin", "space units",
    "spacings",  "centerings", "kinds",           "units", "measurement frame"};

[[noreturn]] void refuse(const fs::path& file, std::string_view found, std::string_view expected) {
  throw Error(fmt::format("{}: {}, expected {}", file.string(), found, expected));
}

struct HeaderText {
  std::string text;          ///< whole lines
  std::uint64_t length = 0;  ///< in the file, with the blank line that ends it
};

HeaderText read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::error_code error;
  const std::uintmax_t size = fs::file_size(file, error);
  std::string bytes(static_cast<std::size_t>(std::min<std::uintmax_t>(error ? 0 : size, longest_header)), '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line = std::string_view(bytes).substr(begin, end - begin);
    if (line.empty() || line == "\r") return {bytes.substr(0, begin), end + 1};
    begin = end + 1;
  }
  if (bytes.size() == longest_header) refuse(file, "has an NRRD header without end", "a blank line behind the header");
  const std::uint64_t length = bytes.size();
  return {bytes + '\n', length};  // a detached header may end with its file
}

struct Fields {
  std::map<std::string, std::string> fields, pairs;
};

Fields split_lines(const std::string& text, const fs::path& file) {
  Fields result;
  for (std::size_t begin = text.find('\n') + 1; begin < text.size();) {  // behind the magic
    const std::size_t end = text.find('\n', begin);
    const std::string_view line = trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (line.starts_with('#')) continue;
    const std::size_t colon = line.find(':');
    if (colon == line.npos) {
      refuse(file, fmt::format("has the line \"{}\" in its NRRD header", line.substr(0, 40)), "\"field: value\"");
    }
    const bool pair = line.substr(colon).starts_with(":=");
    const std::string key(trimmed(line.substr(0, colon)));
    const std::string value(trimmed(line.substr(colon + (pair ? 2 : 1))));
    if (pair) {
      result.pairs[key] = value;
    } else {
      result.fields[lower(key)] = value;
    }
  }
  return result;
}

VoxelType voxel_type(const std::string& name, const fs::path& file) {
  // The format allows for every way in which C spells a type, e.g. "unsigned short int", "ushort", "uint16",
  // "uint16_t".
  struct Alias {
    std::string_view name;
    VoxelType type;
  };
  static constexpr std::array aliases{Alias{"signed char", VoxelType::int8},
                                      Alias{"int8", VoxelType::int8},
                                      Alias{"uchar", VoxelType::uint8},
                                      Alias{"unsigned char", VoxelType::uint8},
                                      Alias{"uint8", VoxelType::uint8},
                                      Alias{"short", VoxelType::int16},
                                      Alias{"int16", VoxelType::int16},
                                      Alias{"ushort", VoxelType::uint16},
                                      Alias{"unsigned short", VoxelType::uint16},
                                      Alias{"uint16", VoxelType::uint16},
                                      Alias{"int", VoxelType::int32},
                                      Alias{"int32", VoxelType::int32},
                                      Alias{"uint", VoxelType::uint32},
                                      Alias{"unsigned", VoxelType::uint32},
                                      Alias{"uint32", VoxelType::uint32},
                                      Alias{"longlong", VoxelType::int64},
                                      Alias{"long long", VoxelType::int64},
                                      Alias{"int64", VoxelType::int64},
                                      Alias{"ulonglong", VoxelType::uint64},
                                      Alias{"unsigned long long", VoxelType::uint64},
                                      Alias{"uint64", VoxelType::uint64},
                                      Alias{"float", VoxelType::float32},
                                      Alias{"double", VoxelType::float64}};
  std::string_view core = name;
  if (core != "signed char" && core.starts_with("signed ")) core.remove_prefix(7);
  if (core.ends_with("_t")) core.remove_suffix(2);
  if (core.ends_with(" int")) core.remove_suffix(4);
  for (const Alias& alias : aliases) {
    if (alias.name == core) return alias.type;
  }
  refuse(file, fmt::format("has NRRD voxels of type \"{}\"", name), "an integer or floating-point type");
}

void read_data_place(NrrdFileHeader& header, const std::map<std::string, std::string>& fields, const fs::path& file) {
  const auto value = [&](std::string_view one, std::string_view other) -> std::optional<std::string> {
    for (const std::string_view key : {one, other}) {
      if (const auto found = fields.find(std::string(key)); found != fields.end()) return found->second;
    }
    return std::nullopt;
  };
  if (value("line skip", "lineskip").value_or("0") != "0") refuse(file, "skips lines before its voxels", "none");
  const auto skip = parse_number<std::int64_t>(value("byte skip", "byteskip").value_or("0"));
  if (!skip || *skip < (header.gzipped ? 0 : -1)) refuse(file, "has an unusable \"byte skip\"", "a number of bytes");
  header.byte_skip = *skip;
  const auto named = value("data file", "datafile");
  if (!named) return;
  if (named->starts_with("LIST") || named->find('%') != named->npos) {
    refuse(file, "has its voxels in several files", "one data file; save the image as a single .nrrd");
  }
  header.data_file = file.parent_path() / *named;
  header.data_offset = 0;
  std::error_code error;
  if (!fs::is_regular_file(header.data_file, error)) {
    refuse(file, fmt::format("names the data file {}, which is not there", *named), "it beside the header");
  }
}

}  // namespace

bool looks_like_nrrd(std::span<const std::byte> bytes) {
  constexpr std::string_view magic = "NRRD000";
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), reinterpret_cast<const char*>(bytes.data()));
}

NrrdFileHeader read_nrrd_header(const fs::path& file) {
  const HeaderText text = read_text(file);
  const auto [fields, pairs] = split_lines(text.text, file);
  const auto needed = [&](const std::string& key) -> const std::string& {
    const auto found = fields.find(key);
    if (found == fields.end()) refuse(file, fmt::format("has no field \"{}\" in its NRRD header", key), "one");
    return found->second;
  };
  NrrdFileHeader header;
  header.attributes = pairs;
  header.type = voxel_type(lower(needed("type")), file);
  for (const std::string_view key : placing_fields) {
    if (const auto found = fields.find(std::string(key)); found != fields.end()) header.placing.fields.emplace(*found);
  }
  needed("dimension");
  needed("sizes");
  const std::string encoding = lower(needed("encoding"));
  header.gzipped = encoding == "gzip" || encoding == "gz";
  if (!header.gzipped && encoding != "raw") {
    refuse(file, fmt::format("has the NRRD encoding \"{}\"", encoding), "\"gzip\" or \"raw\"; save it in one of these");
  }
  if (size_of(header.type) > 1) {
    const std::string endian = lower(needed("endian"));
    if (endian != "little" && endian != "big")
      refuse(file, fmt::format("has the byte order \"{}\"", endian), "little or big");
    header.swapped = (endian == "big") == (std::endian::native == std::endian::little);
  }
  header.data_file = file;
  header.data_offset = text.length;
  read_data_place(header, fields, file);
  return header;
}

std::string nrrd_header_text(const NrrdHeader& header, VoxelType type) {
  const std::string_view type_name = type == VoxelType::float32   ? "float"
                                     : type == VoxelType::float64 ? "double"
                                                                  : name(type);
  std::string text = fmt::format("NRRD0004\ntype: {}\n", type_name);
  for (const std::string_view key : placing_fields) {
    const auto field = header.fields.find(std::string(key));
    if (field != header.fields.end()) text += fmt::format("{}: {}\n", key, field->second);
  }
  return text + "endian: little\nencoding: gzip\n\n";
}

}  // namespace pulmoseg::volume
