#pragma once
// How far a mask agrees with another, pixel by pixel: the four counts and the ratios made of them.
//
// "Positive" is lesion. The ratios follow scikit-learn's definitions; where the denominator is 0 a ratio does not exist and
// is nullopt (JSON null), never 0 or NaN. What that means for masks at the edge:
//
//   | masks                            | accuracy | precision | recall | specificity | dice = F1 | iou  | slice_dice | slice_iou |
//   | no lesion in truth, none found   | 1        | –         | –      | 1           | –         | –    | 1          | 1         |
//   | no lesion in truth, some found   | TN/all   | 0         | –      | TN/(TN+FP)  | 0         | 0    | 0          | 0         |
//   | lesion in truth, nothing found   | TN/all   | –         | 0      | 1           | 0         | 0    | 0          | 0         |
//   | all lesion, all found            | 1        | 1         | 1      | –           | 1         | 1    | 1          | 1         |
//   | all lesion, nothing found        | 0        | –         | 0      | –           | 0         | 0    | 0          | 0         |
//   | no pixels at all                 | –        | –         | –      | –           | –         | –    | 1          | 1         |
//
// With no lesion in the truth and some specks found, specificity and accuracy stay close to 1: read them beside precision.
// Everything here is a pure function; threads may call it as they like.

#include <cstdint>
#include <optional>
#include <span>

namespace pulmoseg::metrics {

struct ConfusionCounts {
  std::uint64_t true_positive = 0, false_positive = 0, false_negative = 0, true_negative = 0;

  ConfusionCounts& operator+=(const ConfusionCounts& other);
  bool operator==(const ConfusionCounts&) const = default;
  std::uint64_t total() const { return true_positive + false_positive + false_negative + true_negative; }
  bool truth_has_lesion() const { return true_positive + false_negative > 0; }
};

/// Compares two masks pixel by pixel; every value but 0 is positive. Error when their lengths differ.
ConfusionCounts count(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth);

std::optional<double> accuracy(const ConfusionCounts& counts);     ///< (TP + TN) / all
std::optional<double> precision(const ConfusionCounts& counts);    ///< TP / (TP + FP)
std::optional<double> recall(const ConfusionCounts& counts);       ///< TP / (TP + FN), also called sensitivity
std::optional<double> specificity(const ConfusionCounts& counts);  ///< TN / (TN + FP)
std::optional<double> dice(const ConfusionCounts& counts);         ///< 2 TP / (2 TP + FP + FN), the same number as F1
std::optional<double> iou(const ConfusionCounts& counts);          ///< TP / (TP + FP + FN), also called Jaccard index

/// Dice and IoU as means over slices need them: a slice without lesion that is predicted empty scores 1.
double slice_dice(const ConfusionCounts& counts);
double slice_iou(const ConfusionCounts& counts);

}  // namespace pulmoseg::metrics
