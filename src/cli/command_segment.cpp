// pulmoseg segment: lesion masks and measurements of new scans.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <exception>
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
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/sha256.hpp"
#include "pulmoseg/report/cohort_page.hpp"
#include "segment_archive.hpp"
#include "segment_case.hpp"
#include "segment_cohort.hpp"
#include "segment_fingerprint.hpp"
#include "segment_inputs.hpp"
#include "segment_model.hpp"
#include "segment_options.hpp"
#include "segment_plan.hpp"
#include "segment_scans.hpp"
#include "segment_workers.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

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

/// What a run has for all its cases.
struct Tools {
  ScansAhead& scans;
  const SegmentWork& work;
  SegmentArchives& archives;
  std::function<void(std::vector<std::string>)> add_to_cohort;
  bool json = false;
};

SegmentedCase run_case(const SegmentCase& planned, const Tools& tools) {
  OpenedScan scan = tools.scans.take(planned);
  if (!planned.push_record.empty()) fs::remove(planned.push_record);  // what it tells of is about to be replaced
  std::optional<Progress> progress;
  return segment_case(planned, std::move(scan.reader), tools.work,
                      {.on_slice =
                           [&](std::int64_t done, std::int64_t total) {
                             stop_if_asked();
                             if (!progress) progress.emplace(planned.name, total);
                             progress->update(done, "slices,");
                           },
                       .on_found = [&] { tools.scans.begin_next(); }});
}

struct Outcome {
  std::size_t tried = 0;
  nlohmann::ordered_json cases = nlohmann::ordered_json::array(), pushed = nlohmann::ordered_json::array(),
                         failed = nlohmann::ordered_json::array();
  std::exception_ptr last_failure = {};
};

void push_case(const SegmentCase& planned, const Tools& tools, Outcome& outcome) {
  tools.archives.push(planned);
  if (tools.json)
    outcome.pushed.push_back({{"case", planned.name}, {"server", planned.push_to}});
  else
    print_line(fmt::format("{}: pushed to {}", planned.name, planned.push_to));
}

void finish_case(const SegmentCase& planned, const Tools& tools, Outcome& outcome) {
  const SegmentedCase segmented = run_case(planned, tools);
  tools.add_to_cohort(report::cohort_row(planned.name, segmented.measurements, segmented.provenance));
  if (tools.json)
    outcome.cases.push_back(case_json(planned, segmented));
  else
    print_case(planned, segmented);
  if (!planned.push_to.empty()) push_case(planned, tools, outcome);
}

/// The files of a fetched scan are gone with it: what is wrong with them is said of its address.
std::string told(const SegmentCase& planned, std::string line) {
  const std::string folder = planned.fetched.string();
  if (folder.empty() || !line.starts_with(folder)) return line;
  for (std::size_t at = 0; at != std::string::npos; at = line.find(folder))
    line.replace(at, folder.size(), planned.input.string());
  return line;
}

Outcome run_cases(const PlannedCases& cases, const Tools& tools) {
  std::vector<const SegmentCase*> unsent;
  for (const auto& planned : cases.done) {
    if (is_to_be_pushed(planned)) unsent.push_back(&planned);
  }
  Outcome outcome{.tried = unsent.size() + cases.to_do.size()};
  const auto attempt = [&](const SegmentCase& planned, const auto& work) {
    stop_if_asked();
    try {
      work(planned, tools, outcome);
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      const std::string line = told(planned, error.what());
      if (outcome.tried > 1) spdlog::error("{}", line);
      outcome.last_failure = planned.fetched.empty() ? std::current_exception() : std::make_exception_ptr(Error(line));
      outcome.failed.push_back({{"input", planned.input.string()}, {"error", line}});
    }
  };
  for (const auto* planned : unsent) attempt(*planned, push_case);
  for (const auto& planned : cases.to_do) {
    if (&planned != &cases.to_do.front()) tools.work.model.get();  // without it, no further case has a chance
    attempt(planned, finish_case);
  }
  return outcome;
}

/// Throws when a case failed.
void conclude(const Outcome& outcome, bool json) {
  if (json) {
    print_json({{"schema", "pulmoseg.segment/1"},
                {"research_use", research_use},
                {"cases", outcome.cases},
                {"pushed", outcome.pushed},
                {"failed", outcome.failed}});
  }
  if (outcome.failed.empty()) return;
  if (outcome.tried == 1) std::rethrow_exception(outcome.last_failure);
  throw Error(fmt::format("{} of {} cases failed", outcome.failed.size(), outcome.tried));
}

std::string describe(const std::vector<std::string>& models, bool mirrors) {
  if (models.empty()) return "no model";
  std::string text = fmt::format("the model of sha256 {:.12}", models.front());
  for (std::size_t i = 1; i < models.size(); ++i) text += fmt::format(" and {:.12}", models[i]);
  return mirrors ? text + " with --tta" : text;
}

/// What an earlier run finished is part of the table, and must be of the same scan and model.
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
    const std::string fingerprint = stored.image_fingerprint.empty() ? "" : fingerprint_of(planned);
    if (!fingerprint.empty() && fingerprint != stored.image_fingerprint) {
      throw Error(
          fmt::format("{}: is not of {} as it is now but of another scan; give all inputs of the run that is "
                      "resumed, name cases in a list (.csv), or choose another folder",
                      planned.measurements.string(), planned.input.string()));
    }
    if (cohort && !cohort->has(planned.name)) cohort->add(stored.row);
  }
  if (!done.empty()) spdlog::info("{} case{} done already", done.size(), done.size() == 1 ? " is" : "s are");
}

/// Files that a killed run of these cases left half-written, and scans that it had fetched.
void sweep(const fs::path& folder, const PlannedCases& cases) {
  std::set<std::string> names;
  for (const auto* some : {&cases.to_do, &cases.done}) {
    for (const auto& planned : *some) {
      for (const auto& file : results_of(planned)) names.insert(file.filename().string());
      if (!planned.fetched.empty()) const FetchedFolder gone(planned.fetched);
    }
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

/// The tables of what there is are made also where `work` fails, which is then what is told.
void with_tables(const std::function<void()>& work, const std::function<void()>& tables) {
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  try {
    tables();
  } catch (const Error& error) {
    if (!failure) throw;
    spdlog::error("{}", error.what());
  }
  if (failure) std::rethrow_exception(failure);
}

void run_alone(const SegmentArguments& arguments, const std::vector<SegmentInput>& inputs) {
  SegmentPlan plan = arguments.plan;
  const auto files = files_of(arguments.models);
  const FolderLock lock = lock_for(plan);
  plan.lung = inference::classes_of(files.front()).has_lung();
  const PlannedCases cases = plan_cases(inputs, plan);
  std::optional<CohortTable> cohort;  // jobs that share the folder leave the table to `pulmoseg cohort`
  if (plan.shard.count == 1) cohort.emplace(plan.folder / "cohort.csv");
  sweep(plan.folder, cases);
  // A scan is fetched and unpacked, and the model's hash computed, while the model is loaded.
  auto hashes = std::async(parallel, [&] {
    std::vector<std::string> of_files;
    for (const auto& file : files) of_files.push_back(sha256_of_file(file));
    return of_files;
  });
  SegmentArchives archives(arguments.pacs);
  ScansAhead scans(cases.to_do, archives);
  inference::Engine engine(files, arguments.engine);
  const std::shared_future model =
      std::async(std::launch::deferred, [&] { return describe(engine, files, hashes.get(), arguments.engine.mirror); });

  if (!cases.done.empty()) take_over(cases.done, model.get(), cohort ? &*cohort : nullptr);
  const SegmentWork work{.engine = engine,
                         .model = model,
                         .refinement = arguments.as_found ? std::nullopt : std::optional(arguments.refinement),
                         .wanted = arguments.wanted};
  const auto add_to_cohort = [&](const std::vector<std::string>& row) {
    if (cohort) cohort->add(row);
  };
  const auto do_cases = [&] {
    conclude(run_cases(cases, {scans, work, archives, add_to_cohort, arguments.json}), arguments.json);
  };
  with_tables(do_cases, [&] {
    const fs::path table = plan.folder / "cohort.csv";
    if (cohort && fs::exists(table)) report::write_cohort_page(table, {plan.folder});
  });
}

/// Everything is planned once before, so that what is wrong with the call is said once.
void run_with_workers(const SegmentArguments& arguments, const std::vector<SegmentInput>& inputs) {
  const SegmentPlan& plan = arguments.plan;
  if (arguments.json) throw UsageError("--json: takes one worker; the results of more are in NAME.json and cohort.csv");
  plan_cases(inputs, plan);
  { const FolderLock free = lock_for(plan); }
  const auto gather = [&] {
    if (plan.shard.count > 1) return;
    const FolderLock lock(plan.folder);
    gather_cohort({plan.folder}, plan.folder / "cohort.csv");
  };
  with_tables([&] { run_workers(arguments.workers, plan.shard, arguments.engine.threads); }, gather);
}

void run(SegmentArguments& arguments) {
  arguments.engine.cache = cache_folder();
  stop_token();  // from here on Ctrl-C waits for the slice in hand
  const auto inputs = settle(arguments);
  if (arguments.workers > 1)
    run_with_workers(arguments, inputs);
  else
    run_alone(arguments, inputs);
}

}  // namespace

void add_segment_command(CLI::App& app) {
  auto arguments = std::make_shared<SegmentArguments>();
  CLI::App* command = app.add_subcommand("segment", "Find lesions in CT scans and measure them");
  add_segment_options(*command, *arguments);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
