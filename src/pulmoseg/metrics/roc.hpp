#pragma once
// The receiver operating characteristic over all pixels, the area under it and the average precision, exactly.
//
// The area is the Mann–Whitney statistic: the share of (lesion, other) pixel pairs in which the lesion pixel has the higher
// score, a tie counting one half. Nothing is binned: scores that differ in the last bit count as different, scores that are
// equal as a tie. It equals scikit-learn's roc_auc_score. The curve runs from (0, 0) to (1, 1) in rising false positive rate.
//
// The average precision is the mean of the precision over the lesion pixels, each at its own score as the threshold; it equals
// scikit-learn's average_precision_score. Where few pixels are lesion it tells models apart that have the same area.
//
// Memory: 4 bytes a pixel (54 million pixels of 829 slices: 217 MB) when `expected_pixels` is given, up to twice more for
// moments while the storage grows when it is not.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace pulmoseg::metrics {

struct RocPoint {
  double false_positive_rate = 0, true_positive_rate = 0;
  double threshold = 0;  ///< pixels that score this or more are called lesion; infinity at (0, 0)
};

struct RocCurve {
  std::vector<RocPoint> points;                  ///< empty when the area is undefined
  std::optional<double> auc, average_precision;  ///< nullopt when there are no lesion pixels or nothing else
};

/// Collects scores (higher: more likely lesion), then gives the curve. One thread at a time.
class RocAccumulator {
 public:
  explicit RocAccumulator(std::size_t expected_pixels = 0);

  /// The pixels of a slice: non-zero truth is lesion. Error when the lengths differ or a score is not a number.
  void add(std::span<const float> scores, std::span<const std::uint8_t> truth);

  /// The curve has a point for each distinct score, thinned to at most `max_points` (at least 3) evenly along the curve where
  /// there are more; the area always comes from all of them. Sorts what was collected; more may be added afterwards.
  RocCurve finish(std::size_t max_points = 1000);

 private:
  std::vector<float> positives_, negatives_;
};

}  // namespace pulmoseg::metrics
