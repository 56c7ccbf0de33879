#include "pulmoseg/quantify/caution.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace pulmoseg::quantify {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> grave{{
    {"constant", "the scan is empty"},
    {"not_chest", "this may be no chest CT"},
    {"wrong_orientation", "the picture contradicts its header"},
    {"lesion_mostly_outside_lung", "most of the lesion lies outside of the lung mask"},
    {"unfamiliar_input", "the scan is unlike those that the model was trained on"},
}};

}  // namespace

std::optional<std::string> caution(const std::vector<Note>& notes) {
  std::vector<std::string_view> reasons;
  for (const auto& [code, reason] : grave) {
    if (std::ranges::find(notes, code, &Note::code) != notes.end()) reasons.push_back(reason);
  }
  if (reasons.empty()) return std::nullopt;
  return fmt::format("not to be relied on: {}", fmt::join(reasons, "; "));
}

}  // namespace pulmoseg::quantify
