#include "pulmoseg/volume/nrrd_segments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/chosen_voxels.hpp"
#include "pulmoseg/volume/nrrd.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t most_layers = 1024;

/// The part at `index` between separators; "" where there are fewer.
std::string part(const std::string& text, char separator, std::size_t index) {
  std::size_t begin = 0;
  for (; index > 0 && begin != std::string::npos; --index) {
    begin = text.find(separator, begin);
    if (begin != std::string::npos) ++begin;
  }
  return begin == std::string::npos ? "" : text.substr(begin, text.find(separator, begin) - begin);
}

/// Out of "…|TerminologyEntry:CONTEXT~CATEGORY~TYPE~…|…", where a code is SCHEME^VALUE^MEANING.
Code type_in(const std::string& tags) {
  constexpr std::string_view key = "TerminologyEntry:";
  const std::size_t entry = tags.find(key);
  if (entry == std::string::npos) return {};
  const std::string type = part(tags.substr(entry + key.size()), '~', 2);
  return {.value = part(type, '^', 1), .scheme = part(type, '^', 0), .meaning = part(type, '^', 2)};
}

/// Names stand in messages: without what a terminal would take for an order.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

class Fields {
 public:
  Fields(const std::map<std::string, std::string>& fields, const fs::path& file) : fields_(fields), file_(file) {}

  std::string text(std::size_t segment, const char* key) const {
    const auto found = fields_.find(fmt::format("Segment{}_{}", segment, key));
    return found == fields_.end() ? "" : found->second;
  }

  std::int64_t number(std::size_t segment, const char* key, std::int64_t otherwise) const {
    const std::string found = text(segment, key);
    if (found.empty()) return otherwise;
    const auto number = parse_number<std::int64_t>(found);
    if (number && *number >= 0 && *number <= 65535) return *number;
    throw Error(fmt::format("{}: has the field \"Segment{}_{}:={}\", expected a number from 0 to 65535; save it again",
                            file_.string(), segment, key, found));
  }

  bool has(std::size_t segment) const {
    return !text(segment, "ID").empty() || !text(segment, "Name").empty() || !text(segment, "LabelValue").empty();
  }

 private:
  const std::map<std::string, std::string>& fields_;
  const fs::path& file_;
};

std::vector<FoundSegment> segments_in(const NrrdFileHeader& header, std::int64_t layers, const fs::path& file) {
  const Fields fields(header.attributes, file);
  std::vector<FoundSegment> found;
  for (std::size_t n = 0; fields.has(n); ++n) {
    const std::string name = fields.text(n, "Name");
    found.push_back({.number = fields.number(n, "LabelValue", 1),
                     .name = printable(name.empty() ? fields.text(n, "ID") : name),
                     .type = type_in(fields.text(n, "Tags")),
                     .layer = fields.number(n, "Layer", layers > 1 ? static_cast<std::int64_t>(n) : 0)});
    found.back().type.meaning = printable(found.back().type.meaning);
    if (found.back().layer < layers) continue;
    throw Error(fmt::format("{}: has the segment \"{}\" in layer {}, expected one of {} layers; save it again",
                            file.string(), found.back().name, found.back().layer, layers));
  }
  return found;
}

/// Takes the first entry off a field and returns it.
std::string take_first(std::string& field) {
  const std::size_t end = std::min(field.find_first_of(" \t"), field.size());
  std::string first = field.substr(0, end);
  field.erase(0, std::min(field.find_first_not_of(" \t", end), field.size()));
  return first;
}

/// Of an image of four axes of which the first is a list; it is taken out of the header. 1 for any other.
std::int64_t take_layers(NrrdHeader& placing, const fs::path& file) {
  auto& fields = placing.fields;
  const std::string kinds = fields["kinds"];
  if (fields["dimension"] != "4" || !(kinds.starts_with("list") || kinds.starts_with("vector"))) return 1;
  fields.insert_or_assign("dimension", std::string("3"));
  const auto layers = parse_number<std::int64_t>(take_first(fields["sizes"]));
  if (!layers || *layers < 1 || *layers > most_layers)
    throw Error(fmt::format("{}: is a segmentation whose number of layers is not one from 1 to {}; save it again",
                            file.string(), most_layers));
  for (const char* field : {"kinds", "space directions", "spacings", "centerings", "units"}) {
    if (const auto found = fields.find(field); found != fields.end()) take_first(found->second);
  }
  return *layers;
}

}  // namespace

std::optional<NrrdSegments> find_nrrd_segments(const fs::path& file) {
  NrrdSegments found{.file = file, .header = read_nrrd_header(file), .segments = {}};
  if (!Fields(found.header.attributes, file).has(0)) return std::nullopt;
  found.layers = take_layers(found.header.placing, file);
  found.segments = segments_in(found.header, found.layers, file);
  return found;
}

OpenedImage open_nrrd_segments(const NrrdSegments& found, const std::vector<std::size_t>& places) {
  std::vector<LabelInLayer> chosen;
  for (const std::size_t place : places)
    chosen.push_back({.layer = found.segments[place].layer, .label = found.segments[place].number});
  return with_chosen_labels(open_nrrd(found.file, found.header, static_cast<std::uint64_t>(found.layers)), found.layers,
                            std::move(chosen));
}

}  // namespace pulmoseg::volume
