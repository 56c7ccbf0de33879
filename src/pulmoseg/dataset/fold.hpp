#pragma once
// A fold of a split by patient in writing: "2/5", on the command line and in split.csv.

#include <optional>
#include <string_view>
#include <utility>

#include "pulmoseg/base/number.hpp"

namespace pulmoseg::dataset {

/// {2, 5}; nothing for a text that is no k/n.
inline std::optional<std::pair<int, int>> parse_fold(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto fold = parse_number<int>(text.substr(0, slash)), folds = parse_number<int>(text.substr(slash + 1));
  return fold && folds ? std::optional(std::pair(*fold, *folds)) : std::nullopt;
}

}  // namespace pulmoseg::dataset
