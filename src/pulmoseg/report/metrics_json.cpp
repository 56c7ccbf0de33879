// metrics.json.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/json_values.hpp"
#include "pulmoseg/report/metrics_report.hpp"

namespace pulmoseg::report {
namespace {

using nlohmann::ordered_json;

ordered_json interval_or_null(const std::optional<metrics::Interval>& interval) {
  return interval ? ordered_json::array({interval->lower, interval->upper}) : ordered_json();
}

ordered_json counts_json(const metrics::ConfusionCounts& counts) {
  return {{"true_positive", counts.true_positive},
          {"false_positive", counts.false_positive},
          {"false_negative", counts.false_negative},
          {"true_negative", counts.true_negative}};
}

ordered_json pooled_json(const metrics::Pooled& pooled) {
  return {{"accuracy", or_null(pooled.accuracy)},
          {"precision", or_null(pooled.precision)},
          {"recall", or_null(pooled.recall)},
          {"specificity", or_null(pooled.specificity)},
          {"f1", or_null(pooled.f1)},
          {"dice", or_null(pooled.dice)},
          {"iou", or_null(pooled.iou)},
          {"auc_roc", or_null(pooled.auc_roc)},
          {"average_precision", or_null(pooled.average_precision)}};
}

ordered_json slice_mean_json(const metrics::MeanPair& mean) {
  return {{"dice", or_null(mean.dice)}, {"iou", or_null(mean.iou)}, {"slices", mean.count}};
}

ordered_json case_mean_json(const metrics::CaseMean& mean) {
  return {{"dice", or_null(mean.dice)},
          {"iou", or_null(mean.iou)},
          {"cases", mean.count},
          {"ci95", {{"dice", interval_or_null(mean.dice_ci95)}, {"iou", interval_or_null(mean.iou_ci95)}}}};
}

ordered_json surface_json(const metrics::SurfaceMean& surface) {
  return {{"of", surface.measure.of},
          {"unit", surface.measure.unit},
          {"tolerance", surface.measure.tolerance},
          {"nsd", or_null(surface.nsd)},
          {"nsd_count", surface.nsd_count},
          {"hausdorff_95", or_null(surface.hausdorff_95)},
          {"hausdorff_95_count", surface.hausdorff_95_count}};
}

ordered_json regions_json(std::span<const metrics::RegionFigures> regions) {
  ordered_json list = ordered_json::array();
  for (const metrics::RegionFigures& region : regions) {
    ordered_json entry{{"name", region.name},
                       {"slices", region.slices},
                       {"dice", or_null(region.pooled.dice)},
                       {"iou", or_null(region.pooled.iou)},
                       {"precision", or_null(region.pooled.precision)},
                       {"recall", or_null(region.pooled.recall)},
                       {"case_mean", case_mean_json(region.case_mean)}};
    entry.update(counts_json(region.pooled.counts));
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json percent_json(const metrics::PercentAgreement& agreement) {
  ordered_json json{{"cases", agreement.cases}, {"icc", or_null(agreement.icc)}};
  const auto& limits = agreement.bland_altman;
  json["bias"] = limits ? ordered_json(limits->bias) : ordered_json();
  json["limits_of_agreement"] =
      limits ? ordered_json::array({limits->lower_limit, limits->upper_limit}) : ordered_json();
  return json;
}

ordered_json cases_json(std::span<const metrics::CaseResult> cases) {
  ordered_json list = ordered_json::array();
  for (const metrics::CaseResult& result : cases) {
    const auto& lung = result.lung;
    ordered_json entry{{"case", result.case_name},
                       {"patient", or_null(result.patient)},
                       {"slices", result.slices},
                       {"dice", or_null(result.dice)},
                       {"iou", or_null(result.iou)},
                       {"precision", or_null(metrics::precision(result.counts))},
                       {"recall", or_null(metrics::recall(result.counts))},
                       {"nsd", or_null(result.surface.nsd)},
                       {"hausdorff_95", or_null(result.surface.hausdorff_95)},
                       {"lesion_percent", or_null(lung ? lung->percent() : std::nullopt)},
                       {"true_lesion_percent", or_null(lung ? lung->true_percent() : std::nullopt)}};
    entry.update(counts_json(result.counts));
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json confidence_json(const metrics::ConfidenceFigures& confidence) {
  const auto& interval = confidence.spearman_ci95;
  return {{"slices", confidence.count},
          {"spearman", or_null(confidence.spearman)},
          {"spearman_ci95", interval ? ordered_json{interval->lower, interval->upper} : ordered_json()},
          {"risk_coverage_area", confidence.risk ? ordered_json(confidence.risk->area) : ordered_json()},
          {"risk_coverage_area_random", confidence.risk ? ordered_json(confidence.risk->random) : ordered_json()}};
}

ordered_json left_out_json(std::span<const LeftOut> left_out) {
  ordered_json list = ordered_json::array();
  for (const LeftOut& entry : left_out) list.push_back({{"case", entry.case_name}, {"reason", entry.reason}});
  return list;
}

ordered_json split_json(const std::optional<SplitFacts>& split) {
  if (!split) return nullptr;
  ordered_json json{{"kind", split->kind}, {"seed", split->seed}};
  if (split->folds > 0) {
    json["fold"] = split->fold > 0 ? ordered_json(split->fold) : ordered_json();  // null: all of them
    json["folds"] = split->folds;
  }
  const auto& leak = split->patients_on_both_sides;
  json["patients_on_both_sides"] = leak ? ordered_json(*leak) : ordered_json();
  return json;
}

std::string positive_pixels(const EvaluationProvenance& provenance) {
  const auto &prediction = provenance.prediction_label, &reference = provenance.reference_label;
  if (!prediction && !reference) return "lesion: every pixel that is not background in the mask";
  const auto pixels = [](const std::optional<std::int64_t>& label) {
    return label ? fmt::format("label {}", *label) : "every label but 0";
  };
  return fmt::format("lesion: {} in the prediction, {} in the reference", pixels(prediction), pixels(reference));
}

ordered_json conventions_json(const EvaluationProvenance& provenance) {
  return {{"positive", positive_pixels(provenance)},
          {"pooled",
           "ratios of the counts of all pixels of the part together; f1 is the pooled Dice; "
           "auc_roc is exact over all pixels (Mann-Whitney, a tie counts one half)"},
          {"per_slice_mean",
           "mean over all slices; a slice without lesion scores 1 when it was predicted empty, otherwise 0"},
          {"lesion_slice_mean", "mean over the slices with lesion in the truth"},
          {"case_mean",
           "mean over cases, each from its counts summed over its slices in this part; a case without lesion in "
           "truth and prediction has none; ci95: percentile bootstrap over cases, 10000 resamples, seed 0"},
          {"surface",
           "means over slices (outlines, in pixels) or over cases (surfaces in space), as `of` says; nsd: normalised "
           "surface Dice, the share of both surfaces' voxels within the tolerance of the other; hausdorff_95: 95th "
           "percentile of the distances, the larger of both directions. Lesion in one of the two only: nsd 0 and no "
           "distance; in neither: none of both"},
          {"regions",
           "what the model tells apart beside lesion and background, pooled over the slices whose truth is known; lung "
           "includes the lesions within it"},
          {"lesion_percent",
           "of each case, lesion in the lung as percentage of the lung, over its slices in this part: intraclass "
           "correlation ICC(A,1) of prediction and truth over cases, bias (mean of prediction - truth) and 95 % "
           "limits of agreement (Bland-Altman)"},
          {"confidence",
           "over the slices where lesion was found: Spearman's rank correlation of the Dice that the network's own "
           "probabilities let expect (2 sum of p in the mask / (sum of p + pixels of the mask)) with the Dice that was "
           "found (interval: percentile bootstrap over slices, 2000 resamples, seed 0), and the mean risk, 1 - Dice, "
           "of the surest slices, averaged over all shares of them, beside that in random order"},
          {"loss", "mean cross-entropy over all pixels, natural logarithm"},
          {"null", "the figure does not exist, e.g. a ratio whose denominator is 0"}};
}

}  // namespace

std::string metrics_json(const metrics::Figures& figures, const EvaluationProvenance& provenance) {
  ordered_json json{{"schema", "pulmoseg.metrics/1"},
                    {"research_use", research_use},
                    {"pulmoseg_version", provenance.version},
                    {"part", figures.part},
                    {"slices", figures.slices},
                    {"loss", or_null(figures.loss)},
                    {"pooled", pooled_json(figures.pooled)},
                    {"per_slice_mean", slice_mean_json(figures.per_slice_mean)},
                    {"lesion_slice_mean", slice_mean_json(figures.lesion_slice_mean)},
                    {"case_mean", case_mean_json(figures.case_mean)},
                    {"surface", surface_json(figures.surface)},
                    {"lesion_percent", percent_json(figures.lesion_percent)},
                    {"confidence", confidence_json(figures.confidence)},
                    {"regions", regions_json(figures.regions)},
                    {"pixels", counts_json(figures.pooled.counts)},
                    {"split", split_json(provenance.split)},
                    {"warnings", evaluation_warnings(figures.part, provenance)},
                    {"model", or_null(provenance.model)},
                    {"model_metadata", provenance.model_metadata},
                    {"dataset", or_null(provenance.dataset)},
                    {"dataset_fingerprint", or_null(provenance.dataset_fingerprint)},
                    {"prediction", or_null(provenance.prediction)},
                    {"reference", or_null(provenance.reference)},
                    {"prediction_label", or_null(provenance.prediction_label)},
                    {"reference_label", or_null(provenance.reference_label)},
                    {"conventions", conventions_json(provenance)},
                    {"cases", cases_json(figures.cases)},
                    {"left_out", left_out_json(provenance.left_out)}};
  // Names come from file systems, where they need not be UTF-8.
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace pulmoseg::report
