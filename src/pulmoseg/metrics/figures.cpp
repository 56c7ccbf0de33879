#include "pulmoseg/metrics/figures.hpp"

#include <fmt/format.h>

#include <map>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

std::optional<double> mean(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

struct Pairs {
  std::vector<double> dice, iou;
  MeanPair mean_pair() const { return {mean(dice), mean(iou), static_cast<std::int64_t>(dice.size())}; }
};

Pooled pool(const ConfusionCounts& counts, const RocCurve& roc) {
  return {.counts = counts,
          .accuracy = accuracy(counts),
          .precision = precision(counts),
          .recall = recall(counts),
          .specificity = specificity(counts),
          .f1 = dice(counts),
          .dice = dice(counts),
          .iou = iou(counts),
          .auc_roc = roc.auc,
          .average_precision = roc.average_precision};
}

std::vector<CaseResult> sum_cases(std::span<const SliceResult> slices) {
  std::vector<CaseResult> cases;
  std::map<std::string, std::size_t> position;
  for (const SliceResult& slice : slices) {
    const auto [found, is_new] = position.try_emplace(slice.case_name, cases.size());
    if (is_new) {
      cases.push_back({.case_name = slice.case_name,
                       .patient = slice.patient,
                       .counts = {},
                       .dice = {},
                       .iou = {},
                       .lung = LungCounts{}});
    }
    CaseResult& result = cases[found->second];
    ++result.slices;
    result.counts += slice.counts;
    if (!slice.lung) result.lung.reset();
    if (result.lung) *result.lung += *slice.lung;
  }
  for (CaseResult& result : cases) {
    result.dice = dice(result.counts);
    result.iou = iou(result.counts);
  }
  return cases;
}

CaseMean mean_over_cases(std::span<const CaseResult> cases) {
  Pairs pairs;
  for (const CaseResult& result : cases) {
    if (!result.dice) continue;
    pairs.dice.push_back(*result.dice);
    pairs.iou.push_back(*result.iou);
  }
  return {pairs.mean_pair(), bootstrap_mean_ci95(pairs.dice), bootstrap_mean_ci95(pairs.iou)};
}

SurfaceMean mean_of(std::span<const SurfaceFigures> units, const SurfaceMeasure& measure) {
  std::vector<double> nsd, hausdorff_95;
  for (const SurfaceFigures& unit : units) {
    if (unit.nsd) nsd.push_back(*unit.nsd);
    if (unit.hausdorff_95) hausdorff_95.push_back(*unit.hausdorff_95);
  }
  return {{mean(nsd), mean(hausdorff_95)}, measure, std::ssize(nsd), std::ssize(hausdorff_95)};
}

PercentAgreement agreement(std::span<const CaseResult> cases) {
  std::vector<double> found, truth;
  for (const CaseResult& result : cases) {
    if (!result.lung || !result.lung->percent()) continue;
    found.push_back(*result.lung->percent());
    truth.push_back(*result.lung->true_percent());
  }
  return {.cases = std::ssize(found),
          .bland_altman = bland_altman(found, truth),
          .icc = intraclass_correlation(found, truth)};
}

std::optional<double> percent_of(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return 100 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

SurfaceFigures compare_surfaces(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                                const MaskGrid& grid, double tolerance) {
  const SurfaceDistances distances = surface_distances(prediction, truth, grid);
  return {.nsd = normalised_surface_dice(distances, tolerance), .hausdorff_95 = hausdorff_95(distances)};
}

LungCounts& LungCounts::operator+=(const LungCounts& other) {
  lung += other.lung;
  predicted_lesion += other.predicted_lesion;
  true_lesion += other.true_lesion;
  return *this;
}

std::optional<double> LungCounts::percent() const { return percent_of(predicted_lesion, lung); }
std::optional<double> LungCounts::true_percent() const { return percent_of(true_lesion, lung); }

Figures summarise(std::string part, std::span<const SliceResult> slices, const RocCurve& roc,
                  const SurfaceMeasure& surface) {
  if (slices.empty()) throw Error(fmt::format("part {} has no slices; there is nothing to evaluate", part));
  ConfusionCounts all;
  Pairs every, lesion;
  std::vector<double> losses, expected, found;  // the latter two: Dice of the slices where lesion was found
  std::vector<SurfaceFigures> outlines;
  for (const SliceResult& slice : slices) {
    all += slice.counts;
    outlines.push_back(slice.surface);
    every.dice.push_back(slice_dice(slice.counts));
    every.iou.push_back(slice_iou(slice.counts));
    if (slice.counts.truth_has_lesion()) {
      lesion.dice.push_back(every.dice.back());
      lesion.iou.push_back(every.iou.back());
    }
    if (slice.loss) losses.push_back(*slice.loss);
    if (!slice.expected_dice) continue;
    expected.push_back(*slice.expected_dice);
    found.push_back(slice_dice(slice.counts));
  }
  Figures figures{.part = std::move(part),
                  .slices = static_cast<std::int64_t>(slices.size()),
                  .loss = losses.size() == slices.size() ? mean(losses) : std::nullopt,
                  .pooled = pool(all, roc),
                  .per_slice_mean = every.mean_pair(),
                  .lesion_slice_mean = lesion.mean_pair(),
                  .case_mean = {},
                  .surface = mean_of(outlines, surface),
                  .lesion_percent = {},
                  .confidence = {},
                  .regions = {},
                  .cases = sum_cases(slices)};
  figures.case_mean = mean_over_cases(figures.cases);
  figures.lesion_percent = agreement(figures.cases);
  figures.confidence = judge_confidence(expected, found);
  return figures;
}

std::vector<RegionFigures> summarise_regions(std::span<const std::string> names, std::span<const SliceResult> slices) {
  std::vector<RegionFigures> regions;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<SliceResult> of_region;
    for (const SliceResult& slice : slices) {
      if (slice.regions.empty()) continue;
      SliceResult& result = of_region.emplace_back();
      result.case_name = slice.case_name;
      result.counts = slice.regions.at(i);
    }
    ConfusionCounts all;
    for (const SliceResult& slice : of_region) all += slice.counts;
    regions.push_back({.name = names[i],
                       .slices = std::ssize(of_region),
                       .pooled = pool(all, {}),
                       .case_mean = mean_over_cases(sum_cases(of_region))});
  }
  return regions;
}

void set_case_surfaces(Figures& figures, std::span<const SurfaceFigures> of_cases, const SurfaceMeasure& measure) {
  for (std::size_t i = 0; i < of_cases.size(); ++i) figures.cases.at(i).surface = of_cases[i];
  figures.surface = mean_of(of_cases, measure);
}

}  // namespace pulmoseg::metrics
