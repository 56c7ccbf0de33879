#pragma once
// How well a measurement agrees with the truth over cases: of the percentage of lesion, which is what readers of a report use.
// Pure functions.

#include <optional>
#include <span>

namespace pulmoseg::metrics {

/// Bland & Altman, "Statistical methods for assessing agreement between two methods of clinical measurement" (Lancet 1986).
struct BlandAltman {
  double bias = 0;                ///< mean of measured - truth
  double standard_deviation = 0;  ///< of the differences (n - 1)
  double lower_limit = 0,
         upper_limit = 0;  ///< bias -+ 1.96 standard deviations: where 95 % of differences lie if they are normal
};

/// One value a case, in the same order and unit. nullopt for fewer than two cases. Error when the lengths differ.
std::optional<BlandAltman> bland_altman(std::span<const double> measured, std::span<const double> truth);

/// The intraclass correlation ICC(A,1) of McGraw & Wong (1996), two-way, absolute agreement, single measurement: Shrout &
/// Fleiss' ICC(2,1), pingouin's ICC2. 1 is perfect; a constant shift lowers it, unlike a correlation. nullopt for fewer than
/// two cases and where all values are equal. Error when the lengths differ.
std::optional<double> intraclass_correlation(std::span<const double> measured, std::span<const double> truth);

}  // namespace pulmoseg::metrics
