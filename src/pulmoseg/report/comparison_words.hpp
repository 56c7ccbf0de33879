#pragma once
// A comparison in words, for the terminal and the page (inside of report/ only).

#include <string>
#include <utility>
#include <vector>

#include "pulmoseg/report/comparison.hpp"

namespace pulmoseg::report {

inline constexpr const char* one_patient = "Both are taken to be of one patient: measurements hold no name.";

/// A figure: both values and their difference with the same decimals, so that they add up.
struct FigureInWords {
  std::string earlier, later, change;
  std::string relative;  ///< empty where there is none
};
FigureInWords in_words(const ComparedFigure& figure);

/// "0.7 × 0.7 × 1 mm", or "" where it is not known.
std::string spacing_in_words(const ComparedCase& compared);

std::string days_in_words(const Comparison& comparison);

/// What was noted of each scan by itself, once where it is the same: "both", "the earlier" or "the later", and the sentence.
std::vector<std::pair<std::string, std::string>> notes_of_scans(const Comparison& comparison);

}  // namespace pulmoseg::report
