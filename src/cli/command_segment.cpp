// pulmoseg segment: lesion masks and measurements of new scans.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/sha256.hpp"
#include "pulmoseg/report/cohort_page.hpp"
#include "segment_case.hpp"
#include "segment_cohort.hpp"
#include "segment_inputs.hpp"
#include "segment_model.hpp"
#include "segment_plan.hpp"
#include "segment_workers.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual = R"(  pulmoseg segment SCAN.nii.gz --out FOLDER
  pulmoseg segment SCAN.nii.gz --model RUN --out FOLDER
  pulmoseg segment A.nii.gz B.nrrd DICOM_FOLDER/ --model model.onnx --out FOLDER
  pulmoseg segment SCAN.nii.gz --lung-mask LUNG.nii.gz --model RUN --out FOLDER
  pulmoseg segment STUDY.zip --series 3 --out FOLDER
  pulmoseg segment SCANS/ LIST.csv --out FOLDER --workers 4 --resume

Each INPUT is a NIfTI or NRRD file (3-D, or one 2-D slice) or DICOM (a folder, a ZIP, a DICOMDIR; files of one
folder are one scan), of any size, spacing and orientation; or a folder that holds many of these; or a list, a
.csv with the column image, and if wanted case (its name) and lung_mask. Of DICOM the CT volume is taken, and
localizers, reports and derived series are left out; where there are several volumes, --series says which one.
Without --model, the one that ships with the program finds lung and lesion: what it is worth, and its licence
(CC BY-NC-SA 4.0), stand in models/README.md. For an input called NAME, FOLDER gets

  NAME_lesion.nii.gz              the mask, 0 or 1, on exactly the input's grid, axis order and header
  NAME_lung.nii.gz                the lung, lesions included, where the model knows it and no --lung-mask is given
  NAME_lesion_probability.nii.gz  with --probabilities: how probable lesion is, 0 to 1
  NAME_uncertainty.nii.gz         with --uncertainty: the entropy of lesion or not, 0 (sure) to 1 bit (even odds)
  NAME.png                        slices through the scan with the lesions outlined
  NAME.html                       the report: figures, slices, coronal and sagittal planes; opens offline, prints on
                                  two A4 pages. Of a DICOM scan it names the patient
  NAME.json                       voxels, volume, areas by slice, and with a lung mask the percentage of it;
                                  written last: a case is done when it is there
  cohort.csv                      one line a case; cases that are in it already stay
  cohort.html                     the same to sort and search, with distributions and links to the reports

--format seg.nrrd puts lesion and lung into one file, NAME.seg.nrrd, that 3D Slicer opens with names and
colours. --format dicom-seg, for DICOM series, puts them into a DICOM Segmentation that refers to the scan and
lies on it, and the figures into a Structured Report (TID 1500), in place of the volumes above:

  NAME_seg.dcm                      a segment each for lesion and lung, a frame for every slice
  NAME_sr.dcm                       volumes, percentages and counts
  NAME_lesion_probability_seg.dcm   with --probabilities: 0 to 255 for 0 to 1
  NAME_source/                      with --new-uids: the scan under the new UIDs

They carry the scan's patient and study. --deidentify leaves out who that is, after the Basic Profile of DICOM
PS3.15, Annex E, and keeps the UIDs (Retain UIDs Option), so that results still lie on their scan. --new-uids
replaces these too. Which new one stands for which old one depends on a key, FOLDER/uids.key, that is made if it
is missing: who has it can find out whether a known UID is meant, so do not hand it on with the results. NAME
itself is the input's name, which is then to be chosen so that it says nothing.

Two inputs of one name get two names (NAME, NAME_2). A result that exists is an error before anything is
computed, unless --resume (what is done stays) or --overwrite (all is done again) says otherwise. A case that
fails is reported, the others go on, and the exit code is 1. Memory: the model, and of a scan that is stored
slice by slice a few slices or, up to 256 MiB, all, so that it is unpacked once; of the next scan too.

A model that was run before starts quicker: what is prepared for this processor is kept in PULMOSEG_CACHE
(~/.cache/pulmoseg, up to 1 GB; set it to nothing and nothing is kept).

Many scans: --workers N starts N processes, each with its share of cases and threads. --shard i/n takes every
n-th case, for n jobs that share FOLDER; `pulmoseg cohort FOLDER` then makes both tables. Whatever is killed
at whatever time, --resume does the rest.

The masks are what the network says, put right: the lung is its two largest parts, solid in each slice,
lesion is inside of it, and parts of lesion below --speck-ml are dropped; --as-found leaves all as it is.

Research use only. Not a medical device.)";

struct Arguments {
  std::vector<fs::path> inputs, lung_masks, models;
  SegmentPlan plan;
  inference::EngineOptions engine{.precision = "auto", .threads = 0};
  std::string shard = "1/1", slices;
  inference::SliceRange wanted;
  int workers = 1;
  masks::RefineOptions refinement;
  bool as_found = false;
  bool json = false;
};

nlohmann::ordered_json case_json(const SegmentCase& planned, const SegmentedCase& segmented) {
  nlohmann::ordered_json files{{"mask", planned.mask.string()}};
  if (!planned.lung.empty()) files["lung"] = planned.lung.string();
  if (!planned.structured_report.empty()) files["structured_report"] = planned.structured_report.string();
  if (!planned.source_copies.empty()) files["source_copies"] = planned.source_copies.string();
  if (!planned.probabilities.empty()) files["probabilities"] = planned.probabilities.string();
  if (!planned.uncertainty.empty()) files["uncertainty"] = planned.uncertainty.string();
  files["measurements"] = planned.measurements.string();
  files["picture"] = planned.picture.string();
  files["report"] = planned.report.string();
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
  if (!planned.uncertainty.empty()) text += fmt::format("uncertainty       {}\n", planned.uncertainty.string());
  if (!planned.structured_report.empty())
    text += fmt::format("DICOM report      {}\n", planned.structured_report.string());
  if (!planned.source_copies.empty()) text += fmt::format("copies of scan    {}\n", planned.source_copies.string());
  text += fmt::format("measurements      {}\npicture           {}\nreport            {}", planned.measurements.string(),
                      planned.picture.string(), planned.report.string());
  print_line(text);
}

/// The scans of cases in their order: each is opened, and what may be kept of it read, while the one before is written.
class ScansAhead {
 public:
  explicit ScansAhead(const std::vector<SegmentCase>& cases) : cases_(cases) { begin_next(); }
  ScansAhead(const ScansAhead&) = delete;
  ScansAhead& operator=(const ScansAhead&) = delete;
  ~ScansAhead() { wanted_ = false; }  // before the future waits

  void begin_next() {
    if (next_ == cases_.size() || coming_.valid()) return;
    coming_ = std::async(parallel, [this, &planned = cases_[next_]] {
      auto scan = volume::VolumeReader::open(planned.files, {.kept_bytes = kept_scan_bytes, .series = planned.series});
      scan.read_ahead([this] { return wanted_ && !stop_token().stop_requested(); });
      return scan;
    });
    ++next_;
  }

  /// Of the next case. Throws what was wrong with it.
  volume::VolumeReader take() {
    begin_next();
    return coming_.get();
  }

 private:
  const std::vector<SegmentCase>& cases_;
  std::size_t next_ = 0;
  std::atomic<bool> wanted_ = true;
  std::future<volume::VolumeReader> coming_;
};

SegmentedCase run_case(const SegmentCase& planned, ScansAhead& scans, const SegmentWork& work) {
  std::optional<Progress> progress;
  return segment_case(planned, scans.take(), work,
                      {.on_slice =
                           [&](std::int64_t done, std::int64_t total) {
                             stop_if_asked();
                             if (!progress) progress.emplace(planned.name, total);
                             progress->update(done, "slices,");
                           },
                       .on_found = [&] { scans.begin_next(); }});
}

struct Outcome {
  nlohmann::ordered_json cases = nlohmann::ordered_json::array(), failed = nlohmann::ordered_json::array();
};

Outcome run_cases(const std::vector<SegmentCase>& cases, ScansAhead& scans, const SegmentWork& work, bool json,
                  const std::function<void(std::vector<std::string>)>& add_to_cohort) {
  Outcome outcome;
  for (const auto& planned : cases) {
    stop_if_asked();
    if (&planned != &cases.front()) work.model.get();  // without it, no further case has a chance
    try {
      const SegmentedCase segmented = run_case(planned, scans, work);
      add_to_cohort(report::cohort_row(planned.name, segmented.measurements, segmented.provenance));
      if (json)
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

std::string describe(const std::vector<std::string>& models, bool mirrors) {
  if (models.empty()) return "no model";
  std::string text = fmt::format("the model of sha256 {:.12}", models.front());
  for (std::size_t i = 1; i < models.size(); ++i) text += fmt::format(" and {:.12}", models[i]);
  return mirrors ? text + " with --tta" : text;
}

/// What an earlier run finished is part of the table, and must be of the same model.
void take_over(const std::vector<SegmentCase>& done, const report::Provenance& model, CohortTable* cohort) {
  std::vector<std::string> models{model.model_sha256};
  for (const auto& [file, sha256] : model.further_models) models.push_back(sha256);
  for (const auto& planned : done) {
    auto stored = report::read_case(planned.measurements);
    if (stored.models != models || stored.mirrors != model.mirrors) {
      throw Error(fmt::format("{}: is of {}, this run of {}; choose another folder or say --overwrite",
                              planned.measurements.string(), describe(stored.models, stored.mirrors),
                              describe(models, model.mirrors)));
    }
    if (cohort && !cohort->has(planned.name)) cohort->add(stored.row);
  }
  if (!done.empty()) spdlog::info("{} cases are done already", done.size());
}

/// Files that a killed run of these cases left half-written.
void sweep(const fs::path& folder, const std::vector<SegmentCase>& cases) {
  std::set<std::string> names;
  for (const auto& planned : cases) {
    for (const auto& file : results_of(planned)) names.insert(file.filename().string());
  }
  remove_unfinished(folder, [&](const std::string& name) { return names.contains(name); });
}

FolderLock lock_for(const SegmentPlan& plan) {
  if (plan.shard.count == 1) return FolderLock(plan.folder);
  return {plan.folder, plan.shard.name(), [&](const std::string& name) {
            const auto other = Shard::named(name);
            return other && plan.shard.shares_cases_with(*other);
          }};
}

std::vector<fs::path> files_of(const std::vector<fs::path>& models) {
  std::vector<fs::path> files;
  for (const auto& model : models) files.push_back(inference::find_model(model));
  return files.empty() ? std::vector{shipped_model()} : files;
}

report::Provenance describe(const inference::Engine& engine, const std::vector<fs::path>& files,
                            const std::vector<std::string>& hashes, bool mirrors) {
  report::Provenance model;
  model.version = PULMOSEG_VERSION;
  model.model = files.front();
  model.model_metadata = engine.metadata();
  model.model_sha256 = hashes.front();
  model.precision = engine.precision();
  model.mirrors = mirrors;
  for (std::size_t i = 1; i < files.size(); ++i) model.further_models.emplace_back(files[i], hashes[i]);
  return model;
}

void run_alone(const Arguments& arguments, SegmentPlan plan, const std::vector<SegmentInput>& inputs) {
  const auto files = files_of(arguments.models);
  const FolderLock lock = lock_for(plan);
  plan.lung = inference::classes_of(files.front()).has_lung();
  const PlannedCases cases = plan_cases(inputs, plan);
  // A scan is unpacked and the model's hash computed while the model is loaded.
  auto hashes = std::async(parallel, [&] {
    std::vector<std::string> of_files;
    for (const auto& file : files) of_files.push_back(sha256_of_file(file));
    return of_files;
  });
  ScansAhead scans(cases.to_do);
  inference::Engine engine(files, arguments.engine);
  const std::shared_future model =
      std::async(std::launch::deferred, [&] { return describe(engine, files, hashes.get(), arguments.engine.mirror); });

  std::optional<CohortTable> cohort;  // jobs that share the folder leave the table to `pulmoseg cohort`
  if (plan.shard.count == 1) cohort.emplace(plan.folder / "cohort.csv");
  if (!cases.done.empty()) take_over(cases.done, model.get(), cohort ? &*cohort : nullptr);
  sweep(plan.folder, cases.to_do);
  const SegmentWork work{.engine = engine,
                         .model = model,
                         .refinement = arguments.as_found ? std::nullopt : std::optional(arguments.refinement),
                         .wanted = arguments.wanted};
  const Outcome outcome = run_cases(cases.to_do, scans, work, arguments.json, [&](std::vector<std::string> row) {
    if (cohort) cohort->add(row);
  });
  if (cohort && fs::exists(plan.folder / "cohort.csv"))
    report::write_cohort_page(plan.folder / "cohort.csv", {plan.folder});
  if (arguments.json) {
    print_json({{"schema", "pulmoseg.segment/1"},
                {"research_use", research_use},
                {"cases", outcome.cases},
                {"failed", outcome.failed}});
  }
  if (!outcome.failed.empty())
    throw Error(fmt::format("{} of {} cases failed", outcome.failed.size(), cases.to_do.size()));
}

/// Everything is planned once before, so that what is wrong with the call is said once.
void run_with_workers(const Arguments& arguments, const SegmentPlan& plan, const std::vector<SegmentInput>& inputs) {
  if (arguments.json) throw UsageError("--json: takes one worker; the results of more are in NAME.json and cohort.csv");
  plan_cases(inputs, plan);
  { const FolderLock free = lock_for(plan); }
  const auto gather = [&] {
    if (plan.shard.count > 1) return;
    const FolderLock lock(plan.folder);
    gather_cohort({plan.folder}, plan.folder / "cohort.csv");
  };
  try {
    run_workers(arguments.workers, plan.shard, arguments.engine.threads);
  } catch (...) {
    gather();
    throw;
  }
  gather();
}

/// "40:120".
inference::SliceRange parse_range(const std::string& text) {
  if (text.empty()) return {};
  const auto colon = text.find(':');
  const auto first = parse_number<std::int64_t>(text.substr(0, colon)),
             last = colon == std::string::npos ? std::nullopt : parse_number<std::int64_t>(text.substr(colon + 1));
  if (first && last && 0 <= *first && *first <= *last) return {*first, *last};
  throw UsageError(fmt::format("--slices {}: expected FIRST:LAST, counted from 0, from below", text));
}

void run(Arguments& arguments) {
  arguments.engine.cache = cache_folder();
  stop_token();  // from here on Ctrl-C waits for the slice in hand
  SegmentPlan plan = arguments.plan;
  plan.shard = Shard::parse(arguments.shard);
  arguments.wanted = parse_range(arguments.slices);
  if (plan.overwrite && plan.resume) throw UsageError("--overwrite and --resume: say one of them");
  const auto inputs = find_inputs(arguments.inputs, arguments.lung_masks, plan.folder);
  if (arguments.workers > 1)
    run_with_workers(arguments, plan, inputs);
  else
    run_alone(arguments, plan, inputs);
}

}  // namespace

void add_segment_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("segment", "Find lesions in CT scans and measure them");
  command->footer(manual);
  command
      ->add_option("INPUT", arguments->inputs,
                   "NIfTI, NRRD or ZIP files, DICOM folders, DICOMDIRs or files, folders of these, lists (.csv)")
      ->required();
  command
      ->add_option("--model", arguments->models,
                   "an .onnx file, or the folder of a training run; without, the one that ships; repeat it to average "
                   "several")
      ->allow_extra_args(false);
  command->add_flag("--tta", arguments->engine.mirror,
                    "ask about the slice and its mirror image (left and right), and average: twice the time");
  command->add_option("--out", arguments->plan.folder, "folder of the results, made when it is missing")->required();
  command
      ->add_option("--lung-mask", arguments->lung_masks,
                   "lung mask of the input at the same place; repeat for more inputs")
      ->allow_extra_args(false);
  command->add_option(
      "--series", arguments->plan.series,
      "which DICOM series, where an input holds several: its number, its UID or a part of its description");
  command->add_flag("--probabilities", arguments->plan.probabilities, "write the probability of lesion too");
  command->add_flag("--uncertainty", arguments->plan.uncertainty, "write how uncertain each voxel is too");
  command->add_option("--speck-ml", arguments->refinement.speck_ml, "smallest part of lesion that is kept, in ml")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--as-found", arguments->as_found, "leave the masks as the network says");
  command->add_option("--format", arguments->plan.format, "of masks and probabilities")
      ->capture_default_str()
      ->check(CLI::IsMember({"nii.gz", "nii", "nrrd", "seg.nrrd", "dicom-seg"}));
  command->add_flag("--deidentify", arguments->plan.deidentify,
                    "with dicom-seg: leave out who the patient is (PS3.15 Annex E, Basic Profile)");
  command->add_flag(
      "--new-uids", arguments->plan.new_uids,
      "with dicom-seg: give study, series and instances new UIDs, and write copies of the scan with them");
  // The last one counts: workers are told their share behind what the user said.
  command->add_option("--threads", arguments->engine.threads, "processor threads; 0 takes all")
      ->capture_default_str()
      ->take_last();
  command
      ->add_option(
          "--precision", arguments->engine.precision,
          "of the network's arithmetic: fp32 (32-bit), bf16 and int8 where model and processor have them, auto: "
          "the fastest of these")
      ->capture_default_str();
  command->add_option("--workers", arguments->workers, "processes at once, each with its share of cases and threads")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024))
      ->take_last();
  command->add_option("--shard", arguments->shard, "i/n: every n-th case, from the i-th on")
      ->capture_default_str()
      ->take_last();
  command->add_option("--slices", arguments->slices, "FIRST:LAST, counted from 0, from below: look at no others");
  command->add_flag("--resume", arguments->plan.resume, "leave what an earlier run finished, do the rest");
  command->add_flag("--overwrite", arguments->plan.overwrite, "replace results that are there already");
  command->add_flag("--json", arguments->json, "print the results as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
