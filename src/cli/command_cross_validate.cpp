// pulmoseg cross-validate: every patient tested by a model that has never seen them.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <numeric>
#include <optional>
#include <vector>

#include "commands.hpp"
#include "common.hpp"
#include "evaluation_origin.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/evaluation/evaluate.hpp"
#include "pulmoseg/report/metrics_report.hpp"
#include "pulmoseg/training/run_folder.hpp"
#include "results_folder.hpp"
#include "train_options.hpp"
#include "train_run.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual =
    R"(Trains one model a fold of a patient-wise split, each without the patients of its fold, and measures each on
them. DIR gets fold-1, fold-2, ..., the folders of these trainings, and once all are done metrics.json,
slices.csv and cases.csv of all patients together, as `pulmoseg evaluate` writes them.

Folds that are finished are not trained again, and one that was interrupted goes on: the same command
again does what is left. Several at once, on one machine or on several that share DIR, take different
folds; --only takes those that it names. --max-minutes is the time of each fold, and all of it again for
one that was interrupted.

  pulmoseg cross-validate dataset --out cv --recipe fast --init backbone.pth)";

struct Arguments {
  fs::path dataset, out;
  int folds = 5;
  std::vector<int> only;
  std::optional<std::uint64_t> split_seed;
  double tolerance = 2;
  bool json = false;
  training::TrainingOptions options;
};

fs::path folder_of(const Arguments& arguments, int fold) { return arguments.out / fmt::format("fold-{}", fold); }

/// Its metrics.json is written last: a fold that has it is finished.
fs::path figures_of(const Arguments& arguments, int fold) { return folder_of(arguments, fold) / "test"; }

bool is_finished(const Arguments& arguments, int fold) {
  return fs::exists(figures_of(arguments, fold) / "metrics.json");
}

dataset::Split split_of(const Arguments& arguments, const dataset::Dataset& dataset, int fold) {
  return dataset::split_by_patient(dataset, arguments.split_seed.value_or(arguments.options.seed), fold,
                                   arguments.folds);
}

evaluation::EvaluateOptions evaluation_options(const Arguments& arguments, Progress& progress) {
  return {.on_progress = [&progress](std::int64_t done, std::int64_t) { progress.update(done); },
          .stop = stop_token(),
          .tolerance = arguments.tolerance};
}

inference::Engine engine_of(const Arguments& arguments, int fold) {
  return inference::Engine(inference::find_model(folder_of(arguments, fold)), {.threads = arguments.options.threads});
}

/// One that is there keeps the precision that auto became where it began.
training::TrainingOptions options_for(const Arguments& arguments, const training::RunFolder& run) {
  auto options = arguments.options;
  options.resume = fs::exists(run.config());
  if (options.resume && options.precision == training::Precision::automatic)
    options.precision = training::read_config(run).options.precision;
  return options;
}

void measure_fold(const Arguments& arguments, const dataset::Dataset& dataset, const dataset::Split& split) {
  const auto rows = split.rows(dataset::Part::test);
  auto engine = engine_of(arguments, split.fold);
  Progress progress(fmt::format("fold {}, test", split.fold), std::ssize(rows));
  const auto evaluation = evaluation::evaluate(engine, dataset, rows, "test", evaluation_options(arguments, progress));
  report::write_metrics(evaluation.figures, evaluation.slices, provenance_of(engine, dataset, split),
                        figures_of(arguments, split.fold));
}

/// Trains and measures a fold, unless that is done or another process is at it.
void finish_fold(const Arguments& arguments, const dataset::Dataset& dataset, int fold) {
  if (is_finished(arguments, fold)) return;
  const auto split = split_of(arguments, dataset, fold);
  const fs::path run = folder_of(arguments, fold);
  try {
    // Longer than the training's own lock on its folder: a fold that is trained and not yet measured is nobody else's.
    const FolderLock lock(figures_of(arguments, fold));
    if (is_finished(arguments, fold)) return;
    const auto options = options_for(arguments, training::RunFolder{run});
    spdlog::info("fold {} of {}: {}", fold, arguments.folds, options.resume ? "goes on" : "begins");
    training::ProcessGroup alone;
    train_and_show(dataset, split, run, options, alone);
    measure_fold(arguments, dataset, split);
  } catch (const FolderInUse&) {
    spdlog::info("fold {} of {}: another process is at it", fold, arguments.folds);
  }
}

std::string describe_length(const training::TrainingOptions& options) {
  return fmt::format("{} epochs{}", options.epochs,
                     options.max_minutes ? fmt::format(" in at most {} minutes", *options.max_minutes) : "");
}

/// One that is finished is not trained any further.
void check_length(const Arguments& arguments, const training::RunFolder& run) {
  const auto before = describe_length(training::read_config(run).options), now = describe_length(arguments.options);
  if (before == now) return;
  throw Error(
      fmt::format("{}: is finished and was trained for {}, now it is {}; ask for the same, or cross-validate "
                  "into another folder",
                  run.folder.string(), before, now));
}

/// Folds that were trained otherwise, or on other data, are not to be pooled with these.
void check_folds_that_are_there(const Arguments& arguments, const dataset::Dataset& dataset) {
  for (int fold = 1; fold <= arguments.folds; ++fold) {
    const training::RunFolder run{folder_of(arguments, fold)};
    if (!fs::exists(run.config())) continue;
    const auto split = split_of(arguments, dataset, fold);
    training::check_same_run(training::describe_run(dataset, split, options_for(arguments, run)), dataset, split, run);
    if (is_finished(arguments, fold)) check_length(arguments, run);
  }
}

/// All test parts together, which are all slices of the dataset. The models run once more, since the area under the curve of
/// all slices needs every probability.
void pool(const Arguments& arguments, const dataset::Dataset& dataset) {
  Progress progress("all folds", dataset.size());
  evaluation::Evaluator evaluator(dataset, static_cast<std::size_t>(dataset.size()),
                                  evaluation_options(arguments, progress));
  report::EvaluationProvenance provenance;
  for (int fold = 1; fold <= arguments.folds; ++fold) {
    const auto split = split_of(arguments, dataset, fold);
    auto engine = engine_of(arguments, fold);
    evaluator.add(engine, split.rows(dataset::Part::test));
    provenance = provenance_of(engine, dataset, split);
  }
  provenance.model = (fs::path(own_name(arguments.out)) / "fold-*" / "model.onnx").string();
  provenance.split->fold = 0;  // all of them
  const auto evaluation = evaluator.finish("cross-validation");
  report::write_metrics(evaluation.figures, evaluation.slices, provenance, arguments.out);
  if (arguments.json)
    return print_json(nlohmann::ordered_json::parse(report::metrics_json(evaluation.figures, provenance)));
  print_line(report::metrics_text(evaluation.figures, provenance));
  print_line(fmt::format("{}: metrics.json, slices.csv, cases.csv", arguments.out.string()));
}

std::vector<int> chosen_folds(const Arguments& arguments) {
  if (arguments.folds < 2) throw UsageError("--folds: expected at least 2");
  for (const int fold : arguments.only) {
    if (fold < 1 || fold > arguments.folds)
      throw UsageError(fmt::format("--only {}: expected 1 to {}", fold, arguments.folds));
  }
  if (!arguments.only.empty()) return arguments.only;
  std::vector<int> all(static_cast<std::size_t>(arguments.folds));
  std::iota(all.begin(), all.end(), 1);
  return all;
}

void run(const CLI::App& command, Arguments& arguments) {
  const auto folds = chosen_folds(arguments);
  refuse_dataset(arguments.out);
  apply_given_options(command, arguments.options, training::recipe(arguments.options.recipe));
  const auto dataset = dataset::Dataset::open(arguments.dataset);
  split_of(arguments, dataset, 1);  // so many folds can be made
  check_folds_that_are_there(arguments, dataset);
  for (const int fold : folds) finish_fold(arguments, dataset, fold);
  int finished = 0;
  for (int fold = 1; fold <= arguments.folds; ++fold) finished += is_finished(arguments, fold) ? 1 : 0;
  if (finished == arguments.folds) return pool(arguments, dataset);
  print_line(fmt::format("{}: {} of {} folds are finished; the same command does what is left", arguments.out.string(),
                         finished, arguments.folds));
}

}  // namespace

void add_cross_validate_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("cross-validate", "Train and measure a model for each fold of the patients");
  command->footer(manual);
  command->add_option("DATASET", arguments->dataset, "Folder that `pulmoseg prepare` made")->required();
  command->add_option("-o,--out", arguments->out, "Folder for the folds and their figures")->required();
  command->add_option("--folds", arguments->folds, "How many; as many as patients: leave one patient out")
      ->capture_default_str();
  command->add_option("--only", arguments->only, "A fold; repeat for more. The others are left to other calls")
      ->allow_extra_args(false);
  command->add_option("--split-seed", arguments->split_seed, "Of the folds, where it is not to be --seed");
  command->add_option("--tolerance", arguments->tolerance, "Of the surface Dice, in pixels")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", arguments->json, "Print metrics.json instead of a table");
  add_training_options(*command, arguments->options);
  command->callback([command, arguments] { run(*command, *arguments); });
}

}  // namespace pulmoseg::cli
