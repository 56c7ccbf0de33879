// pulmoseg segment: lesion masks and measurements of new scans.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/sha256.hpp"
#include "segment_case.hpp"
#include "segment_model.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual = R"(  pulmoseg segment SCAN.nii.gz --out FOLDER
  pulmoseg segment SCAN.nii.gz --model RUN --out FOLDER
  pulmoseg segment A.nii.gz B.nrrd DICOM_FOLDER/ --model model.onnx --out FOLDER
  pulmoseg segment SCAN.nii.gz --lung-mask LUNG.nii.gz --model RUN --out FOLDER

Each INPUT is a NIfTI or NRRD file (3-D, or one 2-D slice) or a folder with one DICOM series, of any size,
spacing and orientation. Without --model, the one that ships with the program finds lung and lesion:
what it is worth, and its licence (CC BY-NC-SA 4.0), stand in models/README.md. For an input called NAME, FOLDER gets

  NAME_lesion.nii.gz              the mask, 0 or 1, on exactly the input's grid, axis order and header
  NAME_lung.nii.gz                the lung, lesions included, where the model knows it and no --lung-mask is given
  NAME_lesion_probability.nii.gz  with --probabilities: how probable lesion is, 0 to 1
  NAME.json                       voxels, volume, areas by slice, and with a lung mask the percentage of it
  NAME.png                        slices through the scan with the lesions outlined
  cohort.csv                      one line a case; cases that are in it already stay

Two inputs of one name get two names (NAME, NAME_2). A result that exists is an error before anything is
computed, unless --overwrite says otherwise. A case that fails is reported, the others go on, and the exit
code is 1. Memory: a few slices, and the runs of the masks, if the scan is stored slice by slice.

The masks are what the network says, put right: the lung is its two largest parts, solid in each slice,
lesion is inside of it, and parts of lesion below --speck-ml are dropped; --as-found leaves all as it is.

Research use only. Not a medical device.)";

struct Arguments {
  std::vector<fs::path> inputs, lung_masks;
  fs::path model;
  SegmentPlan plan;
  inference::EngineOptions engine;
  masks::RefineOptions refinement;
  bool as_found = false;
  bool json = false;
};

/// cohort.csv: the rows of this run replace those of the same cases, all others stay.
class CohortTable {
 public:
  explicit CohortTable(const fs::path& folder) : file_(folder / "cohort.csv") {
    if (!fs::exists(file_)) return;
    const CsvTable table = read_csv(file_);
    if (table.columns != report::cohort_columns()) {
      throw Error(fmt::format("{}: has other columns than this version writes; move it or choose another folder",
                              file_.string()));
    }
    rows_ = table.rows;
  }

  void add(std::vector<std::string> row) {
    std::erase_if(rows_, [&](const auto& old) { return old.front() == row.front(); });
    rows_.push_back(std::move(row));
    std::string text = csv_line(report::cohort_columns());
    for (const auto& each : rows_) text += csv_line(each);
    write_file(file_, text);
  }

 private:
  fs::path file_;
  std::vector<std::vector<std::string>> rows_;
};

nlohmann::ordered_json case_json(const SegmentCase& planned, const SegmentedCase& segmented) {
  nlohmann::ordered_json files{{"mask", planned.mask.string()}};
  if (!planned.lung.empty()) files["lung"] = planned.lung.string();
  if (!planned.probabilities.empty()) files["probabilities"] = planned.probabilities.string();
  files["measurements"] = planned.measurements.string();
  files["picture"] = planned.picture.string();
  return {{"case", planned.name},
          {"input", planned.input.string()},
          {"files", files},
          {"measurements",
           nlohmann::ordered_json::parse(report::measurements_json(segmented.measurements, segmented.provenance))}};
}

void print_case(const SegmentCase& planned, const SegmentedCase& segmented) {
  print_line(planned.name);
  std::string text = report::measurements_text(segmented.measurements);
  text += fmt::format("mask              {}\n", planned.mask.string());
  if (!planned.lung.empty()) text += fmt::format("lung mask         {}\n", planned.lung.string());
  if (!planned.probabilities.empty()) text += fmt::format("probabilities     {}\n", planned.probabilities.string());
  text += fmt::format("measurements      {}\npicture           {}", planned.measurements.string(),
                      planned.picture.string());
  print_line(text);
}

SegmentedCase run_case(const SegmentCase& planned, inference::Engine& engine, const report::Provenance& model,
                       const Arguments& arguments) {
  std::optional<Progress> progress;
  const auto refinement = arguments.as_found ? std::nullopt : std::optional(arguments.refinement);
  return segment_case(planned, engine, model, refinement, [&](std::int64_t done, std::int64_t total) {
    stop_if_asked();
    if (!progress) progress.emplace(planned.name, total);
    progress->update(done, "slices,");
  });
}

struct Outcome {
  nlohmann::ordered_json cases = nlohmann::ordered_json::array(), failed = nlohmann::ordered_json::array();
};

Outcome run_cases(const std::vector<SegmentCase>& cases, inference::Engine& engine, const report::Provenance& model,
                  const Arguments& arguments) {
  CohortTable cohort(arguments.plan.folder);
  Outcome outcome;
  for (const auto& planned : cases) {
    stop_if_asked();
    try {
      const SegmentedCase segmented = run_case(planned, engine, model, arguments);
      cohort.add(report::cohort_row(planned.name, segmented.measurements));
      if (arguments.json)
        outcome.cases.push_back(case_json(planned, segmented));
      else
        print_case(planned, segmented);
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      if (cases.size() == 1) throw;
      spdlog::error("{}", error.what());
      outcome.failed.push_back({{"input", planned.input.string()}, {"error", error.what()}});
    }
  }
  return outcome;
}

void run(const Arguments& arguments) {
  stop_token();  // from here on Ctrl-C waits for the slice in hand
  const fs::path file = arguments.model.empty() ? shipped_model() : inference::find_model(arguments.model);
  const FolderLock lock(arguments.plan.folder);
  auto hash = std::async(std::launch::async, sha256_of_file, file);
  inference::Engine engine(file, arguments.engine);
  SegmentPlan plan = arguments.plan;  // after the engine, which knows whether there will be a lung
  plan.lung = engine.classes().has_lung();
  const auto cases = plan_cases(arguments.inputs, arguments.lung_masks, plan);
  report::Provenance model;
  model.version = PULMOSEG_VERSION;
  model.model = file;
  model.model_metadata = engine.metadata();
  model.model_sha256 = hash.get();

  const Outcome outcome = run_cases(cases, engine, model, arguments);
  if (arguments.json) {
    print_json({{"schema", "pulmoseg.segment/1"},
                {"research_use", research_use},
                {"cases", outcome.cases},
                {"failed", outcome.failed}});
  }
  if (!outcome.failed.empty()) throw Error(fmt::format("{} of {} cases failed", outcome.failed.size(), cases.size()));
}

}  // namespace

void add_segment_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("segment", "Find lesions in CT scans and measure them");
  command->footer(manual);
  command->add_option("INPUT", arguments->inputs, "NIfTI or NRRD files, folders with one DICOM series each")
      ->required();
  command->add_option("--model", arguments->model,
                      "an .onnx file, or the folder of a training run; without, the one that ships");
  command->add_option("--out", arguments->plan.folder, "folder of the results, made when it is missing")->required();
  command
      ->add_option("--lung-mask", arguments->lung_masks,
                   "lung mask of the input at the same place; repeat for more inputs")
      ->allow_extra_args(false);
  command->add_flag("--probabilities", arguments->plan.probabilities, "write the probability of lesion too");
  command->add_option("--speck-ml", arguments->refinement.speck_ml, "smallest part of lesion that is kept, in ml")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--as-found", arguments->as_found, "leave the masks as the network says");
  command->add_option("--format", arguments->plan.format, "of masks and probabilities")
      ->capture_default_str()
      ->check(CLI::IsMember({"nii.gz", "nii", "nrrd"}));
  command->add_option("--threads", arguments->engine.threads, "processor threads; 0 takes all")->capture_default_str();
  command->add_option("--precision", arguments->engine.precision, "of the network's arithmetic; fp32 is 32-bit")
      ->capture_default_str();
  command->add_flag("--overwrite", arguments->plan.overwrite, "replace results that are there already");
  command->add_flag("--json", arguments->json, "print the results as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
