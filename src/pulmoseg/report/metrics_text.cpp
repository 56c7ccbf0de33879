// The figures of an evaluation as a table for a terminal, and what must be said with them.

#include <fmt/format.h>

#include <utility>

#include "pulmoseg/report/metrics_report.hpp"

namespace pulmoseg::report {
namespace {

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
