// pulmoseg score: masks from any tool against reference masks.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <optional>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/evaluation/score.hpp"
#include "pulmoseg/report/metrics_report.hpp"
#include "results_folder.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual =
    R"(PREDICTION and REFERENCE are two masks (.nii.gz, .nii, .nrrd, .nhdr, or a DICOM Segmentation), or two
folders in which masks (.nii.gz, .nii, .nrrd, .nhdr) of the same name belong together, also a.seg.nrrd
and a.nii.gz. All else in them is passed over; DICOM Segmentations are compared one by one. Masks are
compared voxel by voxel and never resampled: both must lie on the same grid, whatever their axis orders.
Every label but 0 is lesion unless --label names one; of a file that names its segments (DICOM, .seg.nrrd)
those that are coded or named as a lesion, --label or FILE#NAME.

The figures are those of `pulmoseg evaluate`: pooled over all voxels, mean per axial slice, mean per
slice with lesion, mean per case, and the surfaces in space: normalised surface Dice within --tolerance
and 95 % Hausdorff distance, in mm. Masks that have no partner or another grid are named and left out;
the rest are scored, and the exit code is 1. With --out, DIR gets metrics.json, slices.csv and
cases.csv.)";

struct Arguments {
  fs::path prediction, reference, out;
  std::optional<std::int64_t> label;
  evaluation::ScoreOptions options;
  bool json = false, overwrite = false;
};

report::EvaluationProvenance provenance_of(const Arguments& arguments, const evaluation::Score& score) {
  report::EvaluationProvenance provenance;
  provenance.version = PULMOSEG_VERSION;
  provenance.prediction = own_name(arguments.prediction);
  provenance.reference = own_name(arguments.reference);
  provenance.prediction_label = arguments.options.prediction_label;
  provenance.reference_label = arguments.options.reference_label;
  for (const auto& mask : score.left_out) provenance.left_out.push_back({mask.name, mask.reason});
  return provenance;
}

evaluation::Score compare(Arguments& arguments) {
  std::optional<Progress> progress;
  arguments.options.stop = stop_token();
  arguments.options.on_progress = [&](std::int64_t done, std::int64_t total) {
    if (!progress) progress.emplace("masks", total);
    progress->update(done);
  };
  return evaluation::score(arguments.prediction, arguments.reference, arguments.options);
}

void run(Arguments& arguments) {
  if (!arguments.options.prediction_label) arguments.options.prediction_label = arguments.label;
  if (!arguments.options.reference_label) arguments.options.reference_label = arguments.label;
  std::optional<FolderLock> lock;
  if (!arguments.out.empty()) {
    refuse_dataset(arguments.out);
    lock.emplace(arguments.out);
    if (!arguments.overwrite) report::refuse_existing_metrics(arguments.out);
  }
  const evaluation::Score score = compare(arguments);
  const auto provenance = provenance_of(arguments, score);
  if (lock) report::write_metrics(score.figures, score.slices, provenance, arguments.out);
  if (arguments.json) {
    print_json(nlohmann::ordered_json::parse(report::metrics_json(score.figures, provenance)));
  } else {
    print_line(report::metrics_text(score.figures, provenance));
    if (lock) print_line(fmt::format("{}: metrics.json, slices.csv, cases.csv", arguments.out.string()));
  }
  if (score.left_out.empty()) return;
  for (const auto& mask : score.left_out) spdlog::warn("{}: left out: {}", mask.name, mask.reason);
  throw Error(fmt::format("{}: {} of its cases could not be scored and are not in the figures",
                          arguments.prediction.string(), score.left_out.size()));
}

}  // namespace

void add_score_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("score", "Compare lesion masks from any tool with reference masks");
  command->footer(manual);
  command->add_option("PREDICTION", arguments->prediction, "mask or folder of masks to be judged")->required();
  command->add_option("REFERENCE", arguments->reference, "mask or folder of masks to be judged by")->required();
  command->add_option("-o,--out", arguments->out, "folder for metrics.json, slices.csv and cases.csv");
  command->add_option("--label", arguments->label, "the label that means lesion, in both; default: every label but 0");
  command->add_option("--prediction-label", arguments->options.prediction_label, "the same, in PREDICTION only");
  command->add_option("--reference-label", arguments->options.reference_label, "the same, in REFERENCE only");
  command->add_option("--tolerance", arguments->options.tolerance, "of the surface Dice, in mm")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--overwrite", arguments->overwrite, "replace results that are there already, file by file");
  command->add_flag("--json", arguments->json, "print metrics.json instead of a table");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
