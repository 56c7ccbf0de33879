#include "pulmoseg/volume/segment_choice.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

enum class Meaning { unknown, lesion, lung, left_lung, right_lung };

/// "Left_Lung (new)": left, lung, new.
std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words{""};
  for (const char c : lower(name)) {
    const bool letter = (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
    if (letter)
      words.back() += c;
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

/// SNOMED CT and the SNOMED-RT codes that it replaced (PS3.16, CID 7159, CID 4031).
Meaning meaning_of(const Code& type) {
  struct Known {
    std::string_view scheme, value;
    Meaning meaning;
  };
  static constexpr std::array known{
      Known{"SCT", "52988006", Meaning::lesion},    Known{"SRT", "M-01100", Meaning::lesion},
      Known{"SCT", "39607008", Meaning::lung},      Known{"SRT", "T-28000", Meaning::lung},
      Known{"SCT", "44029006", Meaning::left_lung}, Known{"SRT", "T-28500", Meaning::left_lung},
      Known{"SCT", "3341006", Meaning::right_lung}, Known{"SRT", "T-28100", Meaning::right_lung}};
  for (const Known& one : known) {
    if (type.scheme == one.scheme && type.value == one.value) return one.meaning;
  }
  return Meaning::unknown;
}

bool is_any(const std::string& word, std::initializer_list<std::string_view> of) {
  return std::ranges::find(of, word) != of.end();
}

Meaning meaning_of(const std::string& name) {
  const auto words = words_of(name);
  const auto has = [&](std::initializer_list<std::string_view> some) {
    return std::ranges::any_of(words, [&](const std::string& word) { return is_any(word, some); });
  };
  const auto begins = [&](std::string_view begin) {
    return std::ranges::any_of(words, [&](const std::string& word) { return word.starts_with(begin); });
  };
  if (has({"not", "non", "without", "healthy", "normal", "outside", "excluding", "minus"})) return Meaning::unknown;
  const bool ground_glass = has({"ggo", "ggos", "groundglass"}) || (has({"ground"}) && has({"glass"}));
  if (ground_glass || begins("lesion") || begins("opacit") || begins("opacif") || begins("consolidat") ||
      begins("infiltrat") || begins("covid") || begins("pneumonia"))
    return Meaning::lesion;
  const bool is_lung = has({"lung", "lungs"}) && std::ranges::all_of(words, [](const std::string& word) {
                         return is_any(word, {"lung", "lungs", "left", "right", "both", "whole", "total", "l", "r",
                                              "and", "mask", "segmentation"});
                       });
  if (!is_lung) return Meaning::unknown;
  const bool left = has({"left", "l"}), right = has({"right", "r"});
  return left == right ? Meaning::lung : left ? Meaning::left_lung : Meaning::right_lung;
}

Meaning meaning_of(const FoundSegment& segment) {
  const Meaning by_code = meaning_of(segment.type);
  // "Lung" with the modifier "left" is told by the name alone.
  const Meaning by_name = meaning_of(segment.name);
  const bool one_side = by_name == Meaning::left_lung || by_name == Meaning::right_lung;
  if (by_code == Meaning::lung && one_side) return by_name;
  if (by_code != Meaning::unknown) return by_code;
  return by_name;
}

std::string describe(const FoundSegment& segment) {
  return segment.type.meaning.empty()
             ? fmt::format("\"{}\" ({})", segment.name, segment.number)
             : fmt::format("\"{}\" ({}, {})", segment.name, segment.number, segment.type.meaning);
}

[[noreturn]] void refuse(const std::vector<FoundSegment>& found, const MaskName& mask, const std::string& reason) {
  constexpr std::size_t most = 12;
  std::vector<std::string> listed;
  for (const FoundSegment& segment : found) {
    if (listed.size() < most) listed.push_back(describe(segment));
  }
  throw Error(fmt::format("{}: has {} {}{}: {}; name the one that is meant by its name or number: '{}#{}'",
                          mask.file.string(), found.size() == 1 ? "the segment" : "the segments",
                          fmt::join(listed, ", "), found.size() > most ? " …" : "", reason, mask.file.string(),
                          found.empty() ? "NAME" : found.front().name));
}

std::vector<std::size_t> places_where(const std::vector<FoundSegment>& found, const auto& fits) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (fits(found[i])) places.push_back(i);
  }
  return places;
}

std::vector<std::size_t> named(const std::vector<FoundSegment>& found, const std::string& name) {
  auto places = places_where(found, [&](const auto& segment) { return lower(segment.name) == lower(name); });
  const auto number = parse_number<std::int64_t>(name);
  if (places.empty() && number)
    places = places_where(found, [&](const auto& segment) { return segment.number == *number; });
  return places;
}

std::vector<std::size_t> by_choice(const std::vector<FoundSegment>& found, const MaskName& mask) {
  if (auto whole = named(found, mask.choice); whole.size() == 1) return whole;  // the name itself may have a '#'
  std::vector<std::size_t> places;
  for (const std::string& name : split(mask.choice, '#')) {
    const auto one = named(found, name);
    if (one.empty()) refuse(found, mask, fmt::format("none is called \"{}\"", name));
    if (one.size() > 1) refuse(found, mask, fmt::format("{} of them are called \"{}\"", one.size(), name));
    if (std::ranges::find(places, one.front()) == places.end()) places.push_back(one.front());
  }
  return places;
}

std::vector<std::size_t> lungs(const std::vector<FoundSegment>& found, const MaskName& mask) {
  const auto that_mean = [&](Meaning meaning) {
    return places_where(found, [&](const auto& segment) { return meaning_of(segment) == meaning; });
  };
  if (auto whole = that_mean(Meaning::lung); !whole.empty()) return whole;
  auto both = that_mean(Meaning::left_lung);
  const auto right = that_mean(Meaning::right_lung);
  if (both.empty() != right.empty())
    refuse(found, mask, fmt::format("only the {} lung is among them, expected both", both.empty() ? "right" : "left"));
  both.insert(both.end(), right.begin(), right.end());
  return both;
}

}  // namespace

MaskName split_mask_name(const fs::path& mask) {
  const std::string text = mask.string();
  for (std::size_t end = text.size(); end != std::string::npos && end > 0; end = text.rfind('#', end - 1)) {
    std::error_code ignored;
    const fs::path file = text.substr(0, end);
    if (end < text.size() && text[end] != '#') continue;
    if (fs::exists(file, ignored)) return {file, end < text.size() ? text.substr(end + 1) : ""};
  }
  return {mask, ""};
}

std::vector<std::size_t> choose_segments(const std::vector<FoundSegment>& found, MaskKind kind, const MaskName& mask) {
  if (!mask.choice.empty()) return by_choice(found, mask);
  auto places = kind == MaskKind::lung
                    ? lungs(found, mask)
                    : places_where(found, [](const auto& segment) { return meaning_of(segment) == Meaning::lesion; });
  if (places.empty())
    refuse(found, mask, fmt::format("none is coded or named as {}", kind == MaskKind::lung ? "the lung" : "a lesion"));
  return places;
}

std::vector<std::int64_t> chosen_labels(const MaskName& mask) {
  std::vector<std::int64_t> labels;
  for (const std::string& part : split(mask.choice, '#')) {
    const auto label = parse_number<std::int64_t>(part);
    if (!label || *label < 1 || *label > 65535) {
      throw Error(
          fmt::format("{}: names no segments, so that \"{}\" is none of them; expected the number of a label, "
                      "e.g. '{}#1'",
                      mask.file.string(), part, mask.file.string()));
    }
    labels.push_back(*label);
  }
  return labels;
}

}  // namespace pulmoseg::volume
