#include "pulmoseg/dataset/class_map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::dataset {
namespace {

using Source = PixelClass::Source;

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> named_maps{
    {{"lesion", "lesion = lesion"},
     {"lung+lesion", "lung = lung; lesion = lesion"},
     {"ggo+consolidation+effusion", "ggo = label 1; consolidation = label 2; effusion = label 3"}}};

/// What stands between the separators, trimmed, without what is empty.
std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (bool more = true; more;) {
    const auto end = text.find_first_of(separators);
    if (const auto part = trimmed(text.substr(0, end)); !part.empty()) parts.push_back(part);
    more = end != std::string_view::npos;
    if (more) text.remove_prefix(end + 1);
  }
  return parts;
}

[[noreturn]] void refuse(std::string_view line, std::string_view mistake) {
  throw UsageError(
      fmt::format("classes, \"{}\": {}; expected lines NAME = lung, NAME = lesion or NAME = label 1 2 ..., or one of "
                  "the names {}, {}, {}",
                  line, mistake, named_maps[0].first, named_maps[1].first, named_maps[2].first));
}

std::uint8_t parse_label(std::string_view text, std::string_view line) {
  int label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size() || label < 1 || label > 255)
    refuse(line, fmt::format("{} is no label from 1 to 255", text));
  return static_cast<std::uint8_t>(label);
}

PixelClass parse_class(std::string_view line) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) refuse(line, "has no equals sign");
  PixelClass found{.name = std::string(trimmed(line.substr(0, equals))), .source = {}, .labels = {}};
  if (found.name.empty() || found.name == "background" || found.name.find(',') != std::string::npos)
    refuse(line, "a class needs a name, without comma, other than background");
  const auto words = split(line.substr(equals + 1), " \t");
  if (words.size() == 1 && words[0] == "lung") {
    found.source = Source::lung;
  } else if (words.size() == 1 && words[0] == "lesion") {
    found.source = Source::lesion;
  } else if (words.size() > 1 && words[0] == "label") {
    found.source = Source::labels;
    for (const std::string_view word : std::span(words).subspan(1)) found.labels.push_back(parse_label(word, line));
  } else {
    refuse(line, "does not say where the class takes its pixels from");
  }
  return found;
}

std::string line_of(const PixelClass& of) {
  if (of.source == Source::lung) return of.name + " = lung";
  if (of.source == Source::lesion) return of.name + " = lesion";
  if (of.source == Source::unknown) return of.name + " = ?";
  return fmt::format("{} = label {}", of.name, fmt::join(of.labels, " "));
}

/// What a class takes, one entry each: nobody else may take it.
std::vector<std::string> takings(const PixelClass& of) {
  if (of.source == Source::lung) return {"lung"};
  if (of.source == Source::lesion) return {"lesion"};
  std::vector<std::string> labels;
  for (const std::uint8_t label : of.labels) labels.push_back(fmt::format("label {}", label));
  return labels;
}

bool is_lung(const PixelClass& of) { return of.source == Source::lung; }
bool is_lesion(const PixelClass& of) { return of.source == Source::lesion || of.source == Source::labels; }

}  // namespace

ClassMap ClassMap::parse(std::string_view text) {
  const auto* const named = std::ranges::find(named_maps, trimmed(text), [](const auto& map) { return map.first; });
  std::vector<PixelClass> classes;
  std::set<std::string> names, taken;
  for (const std::string_view line : split(named == named_maps.end() ? text : named->second, "\n;")) {
    const std::string_view content = trimmed(line.substr(0, line.find('#')));
    if (content.empty()) continue;
    const PixelClass& found = classes.emplace_back(parse_class(content));
    if (!names.insert(found.name).second) refuse(content, "names a class twice");
    for (const std::string& taking : takings(found)) {
      if (!taken.insert(taking).second) refuse(content, fmt::format("{} is taken twice", taking));
    }
  }
  if (classes.empty() || classes.size() > 255) refuse(trimmed(text), "names no class, or more than 255");
  if (std::ranges::none_of(classes, is_lesion)) refuse(trimmed(text), "has no class that is lesion");
  return ClassMap(std::move(classes));
}

ClassMap ClassMap::of_names(std::span<const std::string> names) {
  std::vector<PixelClass> classes;
  for (const std::string& name : names.subspan(1)) {
    const Source source = name == "lung" ? Source::lung : name == "lesion" ? Source::lesion : Source::unknown;
    classes.push_back({.name = name, .source = source, .labels = {}});
  }
  return ClassMap(std::move(classes));
}

std::string ClassMap::text() const {
  for (const auto& [name, map] : named_maps) {
    if (parse(map) == *this) return std::string(name);
  }
  std::vector<std::string> lines;
  for (const PixelClass& each : classes_) lines.push_back(line_of(each));
  return fmt::format("{}", fmt::join(lines, "; "));
}

std::vector<std::string> ClassMap::names() const {
  std::vector<std::string> names{"background"};
  for (const PixelClass& each : classes_) names.push_back(each.name);
  return names;
}

bool ClassMap::has_lung() const { return std::ranges::any_of(classes_, is_lung); }

Region ClassMap::region(std::string name, bool (*belongs)(const PixelClass&)) const {
  Region region{.name = std::move(name), .has = {false}};
  for (const PixelClass& each : classes_) region.has.push_back(belongs(each));
  return region;
}

Region ClassMap::lesion() const { return region("lesion", is_lesion); }

Region ClassMap::lung() const {
  if (!has_lung()) return region("lung", is_lung);
  return region("lung", [](const PixelClass& each) { return is_lung(each) || is_lesion(each); });
}

std::vector<Region> ClassMap::further_regions() const {
  std::vector<Region> regions;
  if (has_lung()) regions.push_back(lung());
  if (std::ranges::count_if(classes_, is_lesion) < 2) return regions;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    if (!is_lesion(classes_[i])) continue;
    Region& alone = regions.emplace_back(Region{.name = classes_[i].name, .has = std::vector<bool>(size())});
    alone.has[i + 1] = true;
  }
  return regions;
}

bool ClassMap::knows_targets(const SliceRecord& slice) const {
  const auto is_unknown = [](const PixelClass& each) { return each.source == Source::unknown; };
  return std::ranges::none_of(classes_, is_unknown) && (!has_lung() || slice.has_lung_mask);
}

void ClassMap::targets(const Dataset& dataset, std::int64_t row, std::span<std::uint8_t> classes) const {
  std::array<std::uint8_t, 256> of_label{};  // 0 is "no lesion"
  std::uint8_t of_lung = 0;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    const auto index = static_cast<std::uint8_t>(i + 1);
    if (classes_[i].source == Source::lung) of_lung = index;
    if (classes_[i].source != Source::lesion) continue;
    std::fill(of_label.begin() + 1, of_label.end(), index);
  }
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    for (const std::uint8_t label : classes_[i].labels) of_label[label] = static_cast<std::uint8_t>(i + 1);
  }
  const auto labels = dataset.labels(row), lung = dataset.lung_mask(row);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const std::uint8_t of_lesion = of_label[labels[i]];
    classes[i] = of_lesion != 0 ? of_lesion : lung[i] != 0 ? of_lung : std::uint8_t{0};
  }
}

}  // namespace pulmoseg::dataset
