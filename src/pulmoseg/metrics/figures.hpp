#pragma once
// The figures of an evaluation, in every convention by its name, so that no two of them are ever taken for each other.
//
//   pooled             ratios of the counts of all pixels together. F1 is pooled Dice.
//   per_slice_mean     mean over slices; a slice without lesion scores 1 when it was predicted empty, 0 when it was not.
//                      Empty slices lift it: on scans with many of them it says little about lesions.
//   lesion_slice_mean  mean over the slices with lesion in the truth only.
//   case_mean          mean over cases of the ratio of the counts summed over the case's slices in this part, with a 95 %
//                      bootstrap interval over cases (bootstrap.hpp). A case without lesion in truth and prediction has no
//                      Dice and stays out of the mean.
//
// A ratio or mean that does not exist is nullopt (confusion.hpp says when).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/metrics/bootstrap.hpp"
#include "pulmoseg/metrics/confusion.hpp"

namespace pulmoseg::metrics {

/// What one slice contributes.
struct SliceResult {
  std::int64_t row = 0;  ///< in the dataset
  std::string case_name, patient;
  std::int64_t slice = 0;  ///< index within the case's volume
  ConfusionCounts counts;
  std::optional<double> loss;  ///< mean cross-entropy over the slice's pixels
};

/// All slices of one case that are in the part.
struct CaseResult {
  std::string case_name, patient;
  std::int64_t slices = 0;
  ConfusionCounts counts;
  std::optional<double> dice, iou;
};

struct Pooled {
  ConfusionCounts counts;
  std::optional<double> accuracy, precision, recall, specificity, f1, dice, iou, auc_roc;
};

struct MeanPair {
  std::optional<double> dice, iou;
  std::int64_t count = 0;  ///< slices or cases that the means are over
};

struct CaseMean : MeanPair {
  std::optional<Interval> dice_ci95, iou_ci95;
};

struct Figures {
  std::string part;  ///< "test", "validation", "training", "all"
  std::int64_t slices = 0;
  std::optional<double> loss;  ///< mean over slices; nullopt when a slice has none
  Pooled pooled;
  MeanPair per_slice_mean, lesion_slice_mean;
  CaseMean case_mean;
  std::vector<CaseResult> cases;  ///< in the order in which they first appear
};

/// Error when there are no slices. Slices of one case may stand apart from each other.
Figures summarise(std::string part, std::span<const SliceResult> slices, std::optional<double> auc_roc);

}  // namespace pulmoseg::metrics
