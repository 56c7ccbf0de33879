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

Pooled pool(const ConfusionCounts& counts, std::optional<double> auc_roc) {
  return {.counts = counts,
          .accuracy = accuracy(counts),
          .precision = precision(counts),
          .recall = recall(counts),
          .specificity = specificity(counts),
          .f1 = dice(counts),
          .dice = dice(counts),
          .iou = iou(counts),
          .auc_roc = auc_roc};
}

std::vector<CaseResult> sum_cases(std::span<const SliceResult> slices) {
  std::vector<CaseResult> cases;
  std::map<std::string, std::size_t> position;
  for (const SliceResult& slice : slices) {
    const auto [found, is_new] = position.try_emplace(slice.case_name, cases.size());
    if (is_new)
      cases.push_back({.case_name = slice.case_name, .patient = slice.patient, .counts = {}, .dice = {}, .iou = {}});
    CaseResult& result = cases[found->second];
    ++result.slices;
    result.counts += slice.counts;
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

}  // namespace

Figures summarise(std::string part, std::span<const SliceResult> slices, std::optional<double> auc_roc) {
  if (slices.empty()) throw Error(fmt::format("part {} has no slices; there is nothing to evaluate", part));
  ConfusionCounts all;
  Pairs every, lesion;
  std::vector<double> losses;
  for (const SliceResult& slice : slices) {
    all += slice.counts;
    every.dice.push_back(slice_dice(slice.counts));
    every.iou.push_back(slice_iou(slice.counts));
    if (slice.counts.truth_has_lesion()) {
      lesion.dice.push_back(every.dice.back());
      lesion.iou.push_back(every.iou.back());
    }
    if (slice.loss) losses.push_back(*slice.loss);
  }
  Figures figures{.part = std::move(part),
                  .slices = static_cast<std::int64_t>(slices.size()),
                  .loss = losses.size() == slices.size() ? mean(losses) : std::nullopt,
                  .pooled = pool(all, auc_roc),
                  .per_slice_mean = every.mean_pair(),
                  .lesion_slice_mean = lesion.mean_pair(),
                  .case_mean = {},
                  .cases = sum_cases(slices)};
  figures.case_mean = mean_over_cases(figures.cases);
  return figures;
}

}  // namespace pulmoseg::metrics
