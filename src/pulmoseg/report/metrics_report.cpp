#include "pulmoseg/report/metrics_report.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::report {
namespace {

constexpr const char *metrics_name = "metrics.json", *slices_name = "slices.csv", *cases_name = "cases.csv";

std::string cell(const std::optional<double>& number) { return number ? fmt::format("{}", *number) : std::string(); }

void append_counts(std::vector<std::string>& cells, const metrics::ConfusionCounts& counts) {
  for (const auto count : {counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative}) {
    cells.push_back(fmt::format("{}", count));
  }
}

}  // namespace

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
    const auto& lung = result.lung;
    for (const auto& number : {result.surface.nsd, result.surface.hausdorff_95, lung ? lung->percent() : std::nullopt,
                               lung ? lung->true_percent() : std::nullopt})
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

void remove_metrics(const std::filesystem::path& folder) {
  for (const char* name : {metrics_name, slices_name, cases_name}) std::filesystem::remove(folder / name);
}

}  // namespace pulmoseg::report
