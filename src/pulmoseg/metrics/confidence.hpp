#pragma once
// How far to trust a mask, said by the network itself, and what that is worth.

#include <cstdint>
#include <optional>
#include <span>

#include "pulmoseg/metrics/bootstrap.hpp"

namespace pulmoseg::metrics {

/// The Dice that a mask is to be expected to have if every pixel is lesion with the probability that the network gives it:
/// 2 sum(p in the mask) / (sum(p) + pixels of the mask), the ratio of the expectations. Of a slice, or of all slices of a case.
class ExpectedDice {
 public:
  /// `mask`: every value but 0 is in it. Error when the lengths differ.
  void add(std::span<const float> probabilities, std::span<const std::uint8_t> mask);

  /// nullopt for an empty mask: how sure it is of nothing, the ratio does not say.
  std::optional<double> value() const;

 private:
  double inside_ = 0, all_ = 0;
  std::int64_t pixels_ = 0;
};

/// Spearman's rank correlation, equal values with the mean of their ranks (as scipy.stats.spearmanr). nullopt for fewer than three
/// pairs, or when one side is all equal. Error when the lengths differ.
std::optional<double> spearman(std::span<const double> one, std::span<const double> other);

/// Whoever looks at the least sure masks himself is left with the others: risk is 1 − Dice of those that are trusted.
struct RiskCoverage {
  double area = 0;    ///< mean over all shares of masks that are trusted, the surest first, of their mean risk
  double random = 0;  ///< the same in random order: the mean risk of all
};

/// nullopt without masks. Equal confidences keep their order.
std::optional<RiskCoverage> risk_coverage(std::span<const double> confidence, std::span<const double> dice);

/// What confidences are worth beside the Dice that was found.
struct ConfidenceFigures {
  std::int64_t count = 0;  ///< masks that are not empty
  std::optional<double> spearman;
  std::optional<Interval> spearman_ci95;  ///< bootstrap over masks
  std::optional<RiskCoverage> risk;
};

ConfidenceFigures judge_confidence(std::span<const double> confidence, std::span<const double> dice);

}  // namespace pulmoseg::metrics
