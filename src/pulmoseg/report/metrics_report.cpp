#include "pulmoseg/report/metrics_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"

namespace pulmoseg::report {
namespace {

using nlohmann::ordered_json;

constexpr const char *metrics_name = "metrics.json", *slices_name = "slices.csv", *cases_name = "cases.csv";

ordered_json value(const std::optional<double>& number) { return number ? ordered_json(*number) : ordered_json(); }
ordered_json value(const std::optional<std::int64_t>& label) { return label ? ordered_json(*label) : ordered_json(); }
ordered_json value(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

ordered_json value(const std::optional<metrics::Interval>& interval) {
  return interval ? ordered_json::array({interval->lower, interval->upper}) : ordered_json();
}

ordered_json counts_json(const metrics::ConfusionCounts& counts) {
  return {{"true_positive", counts.true_positive},
          {"false_positive", counts.false_positive},
          {"false_negative", counts.false_negative},
          {"true_negative", counts.true_negative}};
}

ordered_json pooled_json(const metrics::Pooled& pooled) {
  return {{"accuracy", value(pooled.accuracy)},
          {"precision", value(pooled.precision)},
          {"recall", value(pooled.recall)},
          {"specificity", value(pooled.specificity)},
          {"f1", value(pooled.f1)},
          {"dice", value(pooled.dice)},
          {"iou", value(pooled.iou)},
          {"auc_roc", value(pooled.auc_roc)},
          {"average_precision", value(pooled.average_precision)}};
}

ordered_json slice_mean_json(const metrics::MeanPair& mean) {
  return {{"dice", value(mean.dice)}, {"iou", value(mean.iou)}, {"slices", mean.count}};
}

ordered_json case_mean_json(const metrics::CaseMean& mean) {
  return {{"dice", value(mean.dice)},
          {"iou", value(mean.iou)},
          {"cases", mean.count},
          {"ci95", {{"dice", value(mean.dice_ci95)}, {"iou", value(mean.iou_ci95)}}}};
}

ordered_json surface_json(const metrics::SurfaceMean& surface) {
  return {{"of", surface.measure.of},
          {"unit", surface.measure.unit},
          {"tolerance", surface.measure.tolerance},
          {"nsd", value(surface.nsd)},
          {"nsd_count", surface.nsd_count},
          {"hausdorff_95", value(surface.hausdorff_95)},
          {"hausdorff_95_count", surface.hausdorff_95_count}};
}

ordered_json regions_json(std::span<const metrics::RegionFigures> regions) {
  ordered_json list = ordered_json::array();
  for (const metrics::RegionFigures& region : regions) {
    ordered_json entry{{"name", region.name},
                       {"slices", region.slices},
                       {"dice", value(region.pooled.dice)},
                       {"iou", value(region.pooled.iou)},
                       {"precision", value(region.pooled.precision)},
                       {"recall", value(region.pooled.recall)},
                       {"case_mean", case_mean_json(region.case_mean)}};
    entry.update(counts_json(region.pooled.counts));
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json percent_json(const metrics::PercentAgreement& agreement) {
  ordered_json json{{"cases", agreement.cases}, {"icc", value(agreement.icc)}};
  const auto& limits = agreement.bland_altman;
  json["bias"] = limits ? ordered_json(limits->bias) : ordered_json();
  json["limits_of_agreement"] =
      limits ? ordered_json::array({limits->lower_limit, limits->upper_limit}) : ordered_json();
  return json;
}

/// Predicted and true percentage of a case.
std::pair<std::optional<double>, std::optional<double>> percents(const metrics::CaseResult& result) {
  if (!result.lung) return {};
  return {result.lung->percent(), result.lung->true_percent()};
}

ordered_json cases_json(std::span<const metrics::CaseResult> cases) {
  ordered_json list = ordered_json::array();
  for (const metrics::CaseResult& result : cases) {
    ordered_json entry{{"case", result.case_name},
                       {"patient", value(result.patient)},
                       {"slices", result.slices},
                       {"dice", value(result.dice)},
                       {"iou", value(result.iou)},
                       {"precision", value(metrics::precision(result.counts))},
                       {"recall", value(metrics::recall(result.counts))},
                       {"nsd", value(result.surface.nsd)},
                       {"hausdorff_95", value(result.surface.hausdorff_95)},
                       {"lesion_percent", value(percents(result).first)},
                       {"true_lesion_percent", value(percents(result).second)}};
    entry.update(counts_json(result.counts));
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json confidence_json(const metrics::ConfidenceFigures& confidence) {
  const auto& interval = confidence.spearman_ci95;
  return {{"slices", confidence.count},
          {"spearman", value(confidence.spearman)},
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

std::string cell(const std::optional<double>& number) { return number ? fmt::format("{}", *number) : std::string(); }

void append_counts(std::vector<std::string>& cells, const metrics::ConfusionCounts& counts) {
  for (const auto count : {counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative}) {
    cells.push_back(fmt::format("{}", count));
  }
}

/// "0.7312", or a dash where there is no figure.
std::string shown(const std::optional<double>& number) { return number ? fmt::format("{:.4f}", *number) : "-"; }

std::string shown(const std::optional<metrics::Interval>& interval) {
  return interval ? fmt::format("{:.4f} to {:.4f}", interval->lower, interval->upper) : "-";
}

std::string describe(const std::optional<SplitFacts>& split) {
  if (!split) return "none";
  std::string fold;
  if (split->folds > 0) fold = fmt::format(", fold {}/{}", split->fold, split->folds);
  if (split->folds > 0 && split->fold == 0) fold = fmt::format(", all {} folds, each by its own model", split->folds);
  const auto& leak = split->patients_on_both_sides;
  const char* sides = !leak ? "patients not known" : *leak ? "patients on both sides" : "no patient on both sides";
  return fmt::format("{}-wise, seed {}{} ({})", split->kind, split->seed, fold, sides);
}

std::string heading(const metrics::Figures& figures, const EvaluationProvenance& provenance) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& content) {
    if (!content.empty()) text += fmt::format("{:<11}{}\n", name, content);
  };
  line("model", provenance.model);
  line("data", provenance.dataset);
  line("prediction", provenance.prediction);
  line("reference", provenance.reference);
  if (!provenance.dataset.empty()) line("split", describe(provenance.split));
  line("part", fmt::format("{}: {} slices, {} with lesion, {} cases", figures.part, figures.slices,
                           figures.lesion_slice_mean.count, figures.cases.size()));
  for (const std::string& warning : evaluation_warnings(figures.part, provenance)) line("warning", warning);
  return text;
}

std::string surface_text(const metrics::SurfaceMean& surface) {
  const auto& [of, unit, tolerance] = surface.measure;
  return fmt::format("\nsurfaces, mean over {}s, in {}\n  {:<30}{:>8}  within {} {}, {} {}s\n  {:<30}{:>8}  {} {}s\n",
                     of, unit, "normalised surface Dice", shown(surface.nsd), tolerance, unit, surface.nsd_count, of,
                     "95 % Hausdorff distance", shown(surface.hausdorff_95), surface.hausdorff_95_count, of);
}

std::string percent_text(const metrics::PercentAgreement& agreement) {
  const auto& limits = agreement.bland_altman;
  if (!limits) return "";
  return fmt::format(
      "\npercentage of lesion in the lung, prediction against truth, {} cases\n  {:<30}{:>8}\n  {:<30}{:>8.4f}  95 % "
      "of differences {:.4f} to {:.4f}\n",
      agreement.cases, "ICC(A,1)", shown(agreement.icc), "bias (points)", limits->bias, limits->lower_limit,
      limits->upper_limit);
}

std::string confidence_text(const metrics::ConfidenceFigures& confidence) {
  if (!confidence.spearman || !confidence.risk) return "";
  return fmt::format(
      "\nDice that the network expects of its mask, against the Dice that it has, {} slices where lesion was found\n"
      "  {:<30}{:>8}  95 % interval {}\n  {:<30}{:>8.4f}  in random order {:.4f}\n",
      confidence.count, "rank correlation (Spearman)", shown(confidence.spearman), shown(confidence.spearman_ci95),
      "risk over coverage (mean)", confidence.risk->area, confidence.risk->random);
}

}  // namespace

std::vector<std::string> evaluation_warnings(const std::string& part, const EvaluationProvenance& provenance) {
  std::vector<std::string> warnings;
  if (provenance.dataset.empty()) return warnings;
  if (!provenance.split) {
    const auto of_model = provenance.model_metadata.find("pulmoseg.trained_on");
    warnings.push_back(fmt::format(
        "no split is known: some of these slices may be among those that the model was trained on{}",
        of_model == provenance.model_metadata.end() ? "" : fmt::format(", of the dataset {}", of_model->second)));
    return warnings;
  }
  if (part == "training") warnings.push_back("the model was trained on these slices");
  if (part == "all") warnings.push_back("the model was trained on some of these slices");
  const auto& leak = provenance.split->patients_on_both_sides;
  if (!leak) {
    warnings.push_back(
        "the patients of these slices are not known: the same ones may stand in training and in this part");
  } else if (*leak) {
    warnings.push_back(
        "patients stand on both sides of this split, in training and in this part: the figures flatter; "
        "judge the model by a patient-wise split");
  }
  return warnings;
}

std::string metrics_json(const metrics::Figures& figures, const EvaluationProvenance& provenance) {
  ordered_json json{{"schema", "pulmoseg.metrics/1"},
                    {"research_use", research_use},
                    {"pulmoseg_version", provenance.version},
                    {"part", figures.part},
                    {"slices", figures.slices},
                    {"loss", value(figures.loss)},
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
                    {"model", value(provenance.model)},
                    {"model_metadata", provenance.model_metadata},
                    {"dataset", value(provenance.dataset)},
                    {"dataset_fingerprint", value(provenance.dataset_fingerprint)},
                    {"prediction", value(provenance.prediction)},
                    {"reference", value(provenance.reference)},
                    {"prediction_label", value(provenance.prediction_label)},
                    {"reference_label", value(provenance.reference_label)},
                    {"conventions", conventions_json(provenance)},
                    {"cases", cases_json(figures.cases)},
                    {"left_out", left_out_json(provenance.left_out)}};
  // Names come from file systems, where they need not be UTF-8.
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

void write_metrics_json(const metrics::Figures& figures, const EvaluationProvenance& provenance,
                        const std::filesystem::path& json) {
  write_file(json, metrics_json(figures, provenance));
}

void write_slices_csv(std::span<const metrics::SliceResult> slices, const std::string& part,
                      const std::filesystem::path& csv) {
  std::string text = "row,case,patient,slice,part,dice,iou,tp,fp,fn,tn,loss,nsd,hausdorff_95,expected_dice\n";
  for (const metrics::SliceResult& slice : slices) {
    std::vector<std::string> cells{fmt::format("{}", slice.row),
                                   slice.case_name,
                                   slice.patient,
                                   fmt::format("{}", slice.slice),
                                   part,
                                   fmt::format("{}", metrics::slice_dice(slice.counts)),
                                   fmt::format("{}", metrics::slice_iou(slice.counts))};
    append_counts(cells, slice.counts);
    for (const auto& number : {slice.loss, slice.surface.nsd, slice.surface.hausdorff_95, slice.expected_dice})
      cells.push_back(cell(number));
    text += csv_line(cells);
  }
  write_file(csv, text);
}

void write_cases_csv(std::span<const metrics::CaseResult> cases, const std::filesystem::path& csv) {
  std::string text =
      "case,patient,slices,dice,iou,precision,recall,tp,fp,fn,tn,nsd,hausdorff_95,lesion_percent,true_lesion_percent\n";
  for (const metrics::CaseResult& result : cases) {
    std::vector<std::string> cells{result.case_name,
                                   result.patient,
                                   fmt::format("{}", result.slices),
                                   cell(result.dice),
                                   cell(result.iou),
                                   cell(metrics::precision(result.counts)),
                                   cell(metrics::recall(result.counts))};
    append_counts(cells, result.counts);
    const auto [percent, true_percent] = percents(result);
    for (const auto& number : {result.surface.nsd, result.surface.hausdorff_95, percent, true_percent})
      cells.push_back(cell(number));
    text += csv_line(cells);
  }
  write_file(csv, text);
}

void write_metrics(const metrics::Figures& figures, std::span<const metrics::SliceResult> slices,
                   const EvaluationProvenance& provenance, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot be created: {}", folder.string(), error.message()));
  write_slices_csv(slices, figures.part, folder / slices_name);
  write_cases_csv(figures.cases, folder / cases_name);
  write_metrics_json(figures, provenance, folder / metrics_name);
}

void refuse_existing_metrics(const std::filesystem::path& folder) {
  for (const char* name : {metrics_name, slices_name, cases_name}) {
    if (!std::filesystem::exists(folder / name)) continue;
    throw Error(
        fmt::format("{}: holds results already ({}); choose another folder or say --overwrite", folder.string(), name));
  }
}

void remove_metrics(const std::filesystem::path& folder) { std::filesystem::remove(folder / metrics_name); }

std::string metrics_text(const metrics::Figures& figures, const EvaluationProvenance& provenance) {
  std::string text = heading(figures, provenance);
  const auto row = [&](std::string_view name, const metrics::MeanPair& mean, const std::string& note) {
    const std::string space = note.empty() ? "" : "  ";
    text += fmt::format("{:<32}{:>8}{:>10}{}{}\n", name, shown(mean.dice), shown(mean.iou), space, note);
  };
  const metrics::Pooled& pooled = figures.pooled;
  text += fmt::format("\n{:<32}{:>8}{:>10}\n", "lesion", "Dice", "IoU");
  row("pooled over all pixels", {pooled.dice, pooled.iou, 0}, "");
  row("mean per slice", figures.per_slice_mean, "empty slice predicted empty = 1");
  row("mean per slice with lesion", figures.lesion_slice_mean, "");
  row("mean per case", figures.case_mean,
      fmt::format("{} cases; 95 % interval of Dice {}", figures.case_mean.count, shown(figures.case_mean.dice_ci95)));
  for (const metrics::RegionFigures& region : figures.regions) {
    row(region.name + ", pooled", {region.pooled.dice, region.pooled.iou, 0}, "");
    row(region.name + ", mean per case", region.case_mean, fmt::format("{} cases", region.case_mean.count));
  }
  text += "\npooled over all pixels\n";
  const std::pair<const char*, std::optional<double>> figures_of_pixels[] = {
      {"accuracy", pooled.accuracy},
      {"precision", pooled.precision},
      {"recall (sensitivity)", pooled.recall},
      {"specificity", pooled.specificity},
      {"F1", pooled.f1},
      {"AUC-ROC", pooled.auc_roc},
      {"average precision", pooled.average_precision},
      {"loss (cross-entropy)", figures.loss}};
  for (const auto& [name, number] : figures_of_pixels) text += fmt::format("  {:<30}{:>8}\n", name, shown(number));
  return text + surface_text(figures.surface) + percent_text(figures.lesion_percent) +
         confidence_text(figures.confidence);
}

}  // namespace pulmoseg::report
