#pragma once
// The figures of an evaluation as files: metrics.json (schema "pulmoseg.metrics/1"), slices.csv and cases.csv, and as a table
// for a terminal.
//
//   metrics.json  part, slices, loss; pooled {accuracy, precision, recall, specificity, f1, dice, iou, auc_roc, average_precision};
//                 per_slice_mean and lesion_slice_mean {dice, iou, slices}; case_mean {dice, iou, cases, ci95 {dice, iou}};
//                 surface {of, unit, tolerance, nsd, nsd_count, hausdorff_95, hausdorff_95_count};
//                 lesion_percent {cases, icc, bias, limits_of_agreement [lower, upper]};
//                 confidence {slices, spearman, spearman_ci95 [lower, upper], risk_coverage_area, risk_coverage_area_random};
//                 regions [{name, slices, dice, iou, precision, recall, case_mean, counts}];
//                 pixels (the four counts); cases [{case, patient, slices, dice, iou, precision, recall, nsd, hausdorff_95,
//                 lesion_percent, true_lesion_percent, counts}]; left_out
//                 [{case, reason}]; split {kind, seed, fold, folds, patients_on_both_sides}, warnings [sentence];
//                 model, model_metadata, dataset, dataset_fingerprint, prediction, reference, prediction_label,
//                 reference_label; conventions (what each name means). All figures are of lesion against all else.
//   slices.csv    row,case,patient,slice,part,dice,iou,tp,fp,fn,tn,loss,nsd,hausdorff_95,expected_dice; dice and iou as in
//                 per_slice_mean
//   cases.csv     case,patient,slices,dice,iou,precision,recall,tp,fp,fn,tn,nsd,hausdorff_95,lesion_percent,true_lesion_percent
//
// What does not exist (metrics/confusion.hpp says when) is null in JSON and an empty cell in CSV.
// Errors: Error naming the file when it cannot be written; a file appears whole or not at all.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/metrics/figures.hpp"

namespace pulmoseg::report {

/// The split that a part comes from, as far as a reader of its figures must know it.
struct SplitFacts {
  std::string kind;  ///< "slice" or "patient"
  std::uint64_t seed = 0;
  int fold = 0, folds = 0;                     ///< 0/0: no folds; 0/n: the test parts of all of them
  std::optional<bool> patients_on_both_sides;  ///< nullopt: the dataset does not know its patients
};

/// A case that has no figures, and why.
struct LeftOut {
  std::string case_name, reason;
};

/// Where the figures come from. Names come without their folders, which may hold a patient's name; empty: there is none.
struct EvaluationProvenance {
  std::string version;  ///< of pulmoseg
  std::string model;
  std::map<std::string, std::string> model_metadata;
  std::string dataset, dataset_fingerprint;
  std::string prediction, reference;                                  ///< of masks compared with each other
  std::optional<std::int64_t> prediction_label{}, reference_label{};  ///< that means lesion in them; nullopt: all but 0
  std::optional<SplitFacts> split;
  std::vector<LeftOut> left_out;
};

/// What must be said wherever these figures of this part stand: patients on both sides of the split, slices that the model
/// was trained on. One sentence each.
std::vector<std::string> evaluation_warnings(const std::string& part, const EvaluationProvenance& provenance);

/// The JSON text, indented, with a line end.
std::string metrics_json(const metrics::Figures& figures, const EvaluationProvenance& provenance);
void write_metrics_json(const metrics::Figures& figures, const EvaluationProvenance& provenance,
                        const std::filesystem::path& json);

void write_slices_csv(std::span<const metrics::SliceResult> slices, const std::string& part,
                      const std::filesystem::path& csv);
void write_cases_csv(std::span<const metrics::CaseResult> cases, const std::filesystem::path& csv);

/// The three files in `folder`, which is created; metrics.json last, so that where it stands the others do, too.
void write_metrics(const metrics::Figures& figures, std::span<const metrics::SliceResult> slices,
                   const EvaluationProvenance& provenance, const std::filesystem::path& folder);

/// Error when `folder` holds such files already.
void refuse_existing_metrics(const std::filesystem::path& folder);

/// Removes those that are there: before what stands beside them is replaced.
void remove_metrics(const std::filesystem::path& folder);

/// The table for a terminal, several lines, each figure under the name of its convention.
std::string metrics_text(const metrics::Figures& figures, const EvaluationProvenance& provenance);

}  // namespace pulmoseg::report
