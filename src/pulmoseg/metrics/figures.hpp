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
//   surface            means of the normalised surface Dice and of the 95 % Hausdorff distance (surface.hpp): over slices, whose
//                      outlines are compared in the plane and in pixels, or over cases, in space and in millimetres.
//   confidence         how the Dice that the network itself expects of a slice's mask (confidence.hpp) goes with the Dice that it
//                      has, over the slices where it found lesion.
//   lesion_percent     how the percentage of the lung that is lesion, case by case, agrees with the truth's (agreement.hpp).
//
// A ratio or mean that does not exist is nullopt (confusion.hpp says when).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/metrics/agreement.hpp"
#include "pulmoseg/metrics/bootstrap.hpp"
#include "pulmoseg/metrics/confidence.hpp"
#include "pulmoseg/metrics/confusion.hpp"
#include "pulmoseg/metrics/roc.hpp"
#include "pulmoseg/metrics/surface.hpp"

namespace pulmoseg::metrics {

/// How far outlines or surfaces lie apart: normalised surface Dice and 95 % Hausdorff distance; nullopt as surface.hpp says.
struct SurfaceFigures {
  std::optional<double> nsd, hausdorff_95;
};

/// Memory and errors as surface_distances(); `tolerance` in the unit of the grid's spacing.
SurfaceFigures compare_surfaces(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                                const MaskGrid& grid, double tolerance);

/// Pixels of the lung, and of lesion within it.
struct LungCounts {
  std::uint64_t lung = 0, predicted_lesion = 0, true_lesion = 0;

  LungCounts& operator+=(const LungCounts& other);
  std::optional<double> percent() const;       ///< of the lung that is predicted to be lesion; nullopt without lung
  std::optional<double> true_percent() const;  ///< that is lesion
};

/// What one slice contributes.
struct SliceResult {
  std::int64_t row = 0;  ///< in the dataset
  std::string case_name, patient;
  std::int64_t slice = 0;  ///< index within the case's volume
  ConfusionCounts counts;
  std::optional<double> loss{};      ///< mean cross-entropy over the slice's pixels
  SurfaceFigures surface{};          ///< in the plane, in pixels
  std::optional<LungCounts> lung{};  ///< nullopt: the lung is not known
  std::optional<double>
      expected_dice{};  ///< by the network's own probabilities; nullopt: it found nothing, or a mask has none
  std::vector<ConfusionCounts>
      regions{};  ///< of each further region (summarise_regions()); empty: their truth is not known
};

/// All slices of one case that are in the part.
struct CaseResult {
  std::string case_name, patient;
  std::int64_t slices = 0;
  ConfusionCounts counts;
  std::optional<double> dice, iou;
  SurfaceFigures surface{};          ///< in space
  std::optional<LungCounts> lung{};  ///< nullopt: not known of some slice
};

struct Pooled {
  ConfusionCounts counts;
  std::optional<double> accuracy, precision, recall, specificity, f1, dice, iou, auc_roc, average_precision;
};

struct MeanPair {
  std::optional<double> dice, iou;
  std::int64_t count = 0;  ///< slices or cases that the means are over
};

struct CaseMean : MeanPair {
  std::optional<Interval> dice_ci95, iou_ci95;
};

/// What the surface figures are measured in.
struct SurfaceMeasure {
  std::string of = "slice";     ///< or "case"
  std::string unit = "pixels";  ///< or "mm"
  double tolerance = 2;         ///< of the normalised surface Dice, in that unit
};

struct SurfaceMean : SurfaceFigures {
  SurfaceMeasure measure;
  std::int64_t nsd_count = 0, hausdorff_95_count = 0;  ///< slices or cases that the means are over
};

struct PercentAgreement {
  std::int64_t cases = 0;  ///< whose lung is known
  std::optional<BlandAltman> bland_altman;
  std::optional<double> icc;
};

/// A region beside the lesion, "lung" or a kind of lesion, over the slices whose truth is known.
struct RegionFigures {
  std::string name;
  std::int64_t slices = 0;
  Pooled pooled;  ///< without ROC
  CaseMean case_mean;
};

struct Figures {
  std::string part;  ///< "test", "validation", "training", "all"
  std::int64_t slices = 0;
  std::optional<double> loss;  ///< mean over slices; nullopt when a slice has none
  Pooled pooled;
  MeanPair per_slice_mean, lesion_slice_mean;
  CaseMean case_mean;
  SurfaceMean surface;
  PercentAgreement lesion_percent;
  ConfidenceFigures confidence;
  std::vector<RegionFigures> regions;
  std::vector<CaseResult> cases;  ///< in the order in which they first appear
};

/// `roc` of all pixels of the slices; masks have none. The surface figures are those of the slices, measured as `surface` says.
/// Error when there are no slices. Slices of one case may stand apart from each other.
Figures summarise(std::string part, std::span<const SliceResult> slices, const RocCurve& roc = {},
                  const SurfaceMeasure& surface = {});

/// Of regions with these names, in the order of SliceResult::regions.
std::vector<RegionFigures> summarise_regions(std::span<const std::string> names, std::span<const SliceResult> slices);

/// Puts the surface figures of whole cases, in the order of `figures.cases`, in the place of those of slices.
void set_case_surfaces(Figures& figures, std::span<const SurfaceFigures> of_cases, const SurfaceMeasure& measure);

}  // namespace pulmoseg::metrics
