// pulmoseg train: a dataset into a trained model.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <filesystem>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/training/ranks.hpp"
#include "pulmoseg/training/train.hpp"
#ifdef PULMOSEG_IMAGING
#include "pulmoseg/report/chart.hpp"
#endif

namespace pulmoseg::cli {
namespace {

struct Arguments {
  std::string dataset, run;
  std::string split = "slice", fold = "1/5";
  std::optional<std::uint64_t> split_seed;  // nothing: the run's
  std::int64_t size = 0;                    // 0: whatever the dataset has
  bool json = false;
  training::TrainingOptions options;
};

/// The map's own text, so that a run does not depend on the file that it came from.
std::string read_classes(const std::string& name_or_file) {
  const bool is_file = std::filesystem::is_regular_file(name_or_file);
  return dataset::ClassMap::parse(is_file ? read_file(name_or_file) : name_or_file).text();
}

/// "2/5" -> {2, 5}.
std::pair<int, int> parse_fold(std::string_view text) {
  const auto slash = text.find('/');
  const auto fold = parse_number<int>(text.substr(0, slash));
  const auto folds = slash == text.npos ? std::nullopt : parse_number<int>(text.substr(slash + 1));
  if (!fold || !folds) throw UsageError(fmt::format("--fold {}: expected k/n, e.g. 1/5", text));
  return {*fold, *folds};
}

dataset::Split make_split(const Arguments& arguments, const dataset::Dataset& dataset) {
  const std::uint64_t seed = arguments.split_seed.value_or(arguments.options.seed);
  if (arguments.split == "slice") return dataset::split_by_slice(dataset, seed);
  const auto [fold, folds] = parse_fold(arguments.fold);
  return dataset::split_by_patient(dataset, seed, fold, folds);
}

/// Options that were given on the command line win over those of the recipe, and over those of the run that is resumed.
void apply_given_options(const CLI::App& command, Arguments& arguments, training::TrainingOptions defaults) {
  defaults.resume = arguments.options.resume;
  defaults.max_minutes.reset();  // of a run that is resumed: its time was that call's
  arguments.options = std::move(defaults);
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() > 0) const_cast<CLI::Option*>(option)->run_callback();
  }
}

dataset::Split prepare_run(const CLI::App& command, Arguments& arguments, const dataset::Dataset& dataset) {
  if (command.count("--fold") > 0 && arguments.split != "patient") throw UsageError("--fold: needs --split patient");
  const bool resume = arguments.options.resume;
  const training::RunFolder run{arguments.run};
  apply_given_options(command, arguments,
                      resume ? training::read_config(run).options : training::recipe(arguments.options.recipe));
  if (arguments.size != 0 && arguments.size != dataset.rows()) {
    throw UsageError(fmt::format("--size {}: {} has slices of {}x{}; prepare it again with --size {}", arguments.size,
                                 arguments.dataset, dataset.rows(), dataset.columns(), arguments.size));
  }
  if (!resume || command.count("--split") > 0) return make_split(arguments, dataset);
  if (arguments.split_seed) throw UsageError("--split-seed: a run that is resumed keeps its split");
  return dataset::read_split(run.split(), dataset);
}

void describe_split(const dataset::Split& split, const dataset::Dataset& dataset) {
  const auto slices = [&](dataset::Part part) { return split.rows(part).size(); };
  spdlog::info("{} slices of {}x{}, split by {}: {} training, {} validation, {} test", dataset.size(), dataset.rows(),
               dataset.columns(), split.kind, slices(dataset::Part::training), slices(dataset::Part::validation),
               slices(dataset::Part::test));
  if (dataset.info().unrelated_slices) {
    spdlog::warn(
        "the patients of these slices are not known: the same ones may stand in training and in validation "
        "or test, so figures may flatter");
  } else if (split.patients_leak(dataset)) {
    spdlog::warn(
        "slices of the same patient stand in training and in validation or test, so figures will flatter; "
        "--split patient keeps them apart");
  }
}

void draw_history([[maybe_unused]] const training::TrainingResult& result, [[maybe_unused]] const std::string& caption,
                  [[maybe_unused]] const Arguments& arguments) {
#ifdef PULMOSEG_IMAGING
  report::Series training{.label = "training", .x = {}, .y = {}}, validation{.label = "validation", .x = {}, .y = {}};
  for (const auto& record : result.history) {
    const auto epoch = static_cast<double>(record.epoch);
    training.x.push_back(epoch), training.y.push_back(record.training_loss);
    validation.x.push_back(epoch), validation.y.push_back(record.validation_loss);
  }
  report::Chart chart;
  chart.title = "Loss by epoch";
  chart.x_label = "epoch", chart.y_label = "loss";
  chart.series = {training, validation};
  chart.whole_x = true;
  chart.mark = report::ChartMark{
      .x = static_cast<double>(result.best.epoch),
      .label = fmt::format("best epoch: {}, validation {:.4f}", result.best.epoch, result.best.validation_loss)};
  chart.caption = caption;
  report::draw_chart(chart, std::filesystem::path(arguments.run) / "history.png");
#endif
}

std::string describe_dice(const training::EpochRecord& record) {
  return record.validation_dice ? fmt::format(", pooled Dice {:.4f}", *record.validation_dice) : "";
}

void log_epoch(const training::EpochRecord& record, std::int64_t epochs) {
  spdlog::info("epoch {}/{}: training loss {:.4f}, validation loss {:.4f}{}, {:.2f} samples/s, {}", record.epoch,
               epochs, record.training_loss, record.validation_loss, describe_dice(record), record.samples_per_second,
               describe_duration(record.seconds));
}

void print_result(const training::TrainingResult& result, const Arguments& arguments) {
  const training::RunFolder run{arguments.run};
  const auto& last = result.history.back();
  if (arguments.json) {
    return print_json({{"schema", "pulmoseg.train/1"},
                       {"research_use", research_use},
                       {"run", arguments.run},
                       {"epochs", result.history.size()},
                       {"training_loss", last.training_loss},
                       {"validation_loss", last.validation_loss},
                       {"best_epoch", result.best.epoch},
                       {"best_validation_loss", result.best.validation_loss},
                       {"weights", run.best_weights().string()},
                       {"onnx", run.onnx().string()}});
  }
  print_line(fmt::format("best epoch {} of {}: validation loss {:.4f}{}", result.best.epoch, result.history.size(),
                         result.best.validation_loss, describe_dice(result.best)));
  print_line(fmt::format("weights: {}", run.best_weights().string()));
  print_line(fmt::format("model:   {}", run.onnx().string()));
}

training::TrainingResult train_as_first(const CLI::App& command, Arguments& arguments, const dataset::Dataset& dataset,
                                        training::ProcessGroup& group) {
  const auto split = prepare_run(command, arguments, dataset);
  describe_split(split, dataset);
  if (group.ranks() > 1) spdlog::info("{} ranks, {} of them on this machine", group.ranks(), group.ranks_here());
  const std::string caption =
      fmt::format("pulmoseg " PULMOSEG_VERSION ", recipe {}, seed {}, data {}, {}-wise split", arguments.options.recipe,
                  arguments.options.seed, own_name(dataset.folder()), split.kind);

  std::optional<Progress> progress;  // of the epoch under way
  training::TrainingCallbacks callbacks;
  callbacks.stop = stop_token();
  callbacks.on_step = [&](const training::StepRecord& step) {
    if (!progress) progress.emplace(fmt::format("epoch {}/{}", step.epoch, step.epochs), step.batches);
    progress->update(step.batch,
                     fmt::format("batches, loss {:.4f}, {:.2f} samples/s, {} left in the run, in the epoch",
                                 step.training_loss, step.samples_per_second, describe_duration(step.seconds_left)));
  };
  callbacks.on_epoch = [&](const training::TrainingResult& so_far) {
    progress.reset();
    log_epoch(so_far.history.back(), arguments.options.epochs);
    draw_history(so_far, caption, arguments);
  };
  return training::train(dataset, split, arguments.run, arguments.options, callbacks, &group);
}

void run_train(const CLI::App& command, Arguments& arguments) {
  const auto place = training::rank_place([](const char* name) { return std::getenv(name); });
  if (place.rank > 0) {
    spdlog::set_level(spdlog::level::warn);
    spdlog::set_pattern(fmt::format("rank {}: %^%l%$: %v", place.rank));
  }
  training::ProcessGroup group(place);
  group.run([&] {
    const auto dataset = dataset::Dataset::open(arguments.dataset);
    if (group.is_first()) return print_result(train_as_first(command, arguments, dataset, group), arguments);
    training::TrainingCallbacks callbacks;
    callbacks.stop = stop_token();
    training::train(dataset, /*split=*/{}, arguments.run, arguments.options, callbacks, &group);  // rank 0's split
  });
}

void add_data_options(CLI::App& command, Arguments& arguments) {
  auto& options = arguments.options;
  const std::string group = "What is learnt";
  command
      .add_option("--recipe", options.recipe,
                  "Set of defaults: original, or fast (small images first, soft Dice, a falling learning rate, BatchNorm frozen)")
      ->capture_default_str()
      ->group(group);
  command
      .add_option_function<std::string>(
          "--classes", [&](const std::string& text) { options.classes = read_classes(text); },
          "What is told apart: lesion, lung+lesion, ggo+consolidation+effusion, or a file of lines NAME = lung, "
          "NAME = lesion, NAME = label 1 2")
      ->default_str("lesion")
      ->group(group);
  command.add_option("--init", options.init, "Start from the weights of another model (.pth, .safetensors)")
      ->group(group);
  command.add_option("--split", arguments.split, "slice: 70/15/15 % of the slices at random; patient: whole patients")
      ->check(CLI::IsMember({"slice", "patient"}))
      ->capture_default_str()
      ->group(group);
  command.add_option("--fold", arguments.fold, "Test fold k of n of a split by patient")
      ->capture_default_str()
      ->group(group);
  command.add_option("--seed", options.seed, "Of the split, weights, shuffling, augmentation, dropout")
      ->capture_default_str()
      ->group(group);
  command.add_option("--split-seed", arguments.split_seed, "Of the split alone, where it is not to be --seed")
      ->group(group);
}

void add_optimisation_options(CLI::App& command, training::TrainingOptions& options) {
  const std::string group = "How it is learnt";
  command.add_option("--batch-size", options.batch_size, "Slices a step, of all ranks together")
      ->capture_default_str()
      ->group(group);
  command.add_option("--learning-rate", options.learning_rate, "Of Adam")->capture_default_str()->group(group);
  command
      .add_option_function<std::string>(
          "--schedule", [&](const std::string& text) { options.schedule = training::parse_schedule(text); },
          "Of the learning rate over the run's epochs: constant, or cosine (down to zero)")
      ->default_str("constant")
      ->group(group);
  command
      .add_option("--warm-up", options.warm_up, "Share of the run in which the learning rate rises to its full value")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--progressive-size,!--no-progressive-size", options.progressive_size,
                "Half the image size for the first third of the run")
      ->default_str("off")
      ->group(group);
  command
      .add_option("--freeze-batch-norm", options.freeze_batch_norm,
                  "Last share of the run in which BatchNorm keeps its statistics, as it will when the model is used")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--weight-average", options.weight_average,
                  "Keep the average of the weights: its half-life in steps, 0: none")
      ->capture_default_str()
      ->group(group);
  command.add_option("--dice-loss", options.dice_loss, "Weight of the soft Dice loss beside the cross-entropy")
      ->capture_default_str()
      ->group(group);
  command
      .add_option_function<std::string>(
          "--precision", [&](const std::string& text) { options.precision = training::parse_precision(text); },
          "fp32, bf16 (fast with AVX512_BF16, AMX or a GPU only), or auto: fp32 in recipe original, else the faster")
      ->default_str("auto")
      ->group(group);
  command
      .add_flag("--sync-batch-norm,!--no-sync-batch-norm", options.sync_batch_norm,
                "Of several ranks: BatchNorm over the whole batch, so that the result is that of one rank")
      ->default_str("off")
      ->group(group);
}

void add_image_options(CLI::App& command, training::TrainingOptions& options) {
  const std::string group = "How its images are changed";
  command.add_option("--balance", options.balance, "0: each slice once an epoch; up to 1: as many of each patient")
      ->capture_default_str()
      ->group(group);
  command.add_option("--flip-probability", options.flip_probability, "Of a horizontal flip")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--quarter-turns,!--no-quarter-turns", options.quarter_turns,
                "Random rotation by 0, 90, 180, 270 degrees")
      ->default_str("on")
      ->group(group);
  command
      .add_option("--appearance", options.appearance,
                  "Strength of random windows, contrast, equalisation, blur and noise: 0, none, to 1")
      ->capture_default_str()
      ->group(group);
  command.add_option("--rotation", options.rotation, "Random, up to so many degrees either way")
      ->capture_default_str()
      ->group(group);
  command.add_option("--scaling", options.scaling, "Random, up to this share larger or as much smaller")
      ->capture_default_str()
      ->group(group);
  command.add_option("--mean", options.mean, "Subtracted from the slices, which are scaled to 0...1")
      ->capture_default_str()
      ->group(group);
  command.add_option("--standard-deviation", options.standard_deviation, "Then divided by")
      ->capture_default_str()
      ->group(group);
}

void add_run_options(CLI::App& command, Arguments& arguments) {
  auto& options = arguments.options;
  const std::string group = "How far and how it runs";
  command
      .add_option("--epochs", options.epochs,
                  "Passes over the training part; schedule and growing images follow their number")
      ->capture_default_str()
      ->group(group);
  command
      .add_option_function<double>(
          "--max-minutes", [&](double minutes) { options.max_minutes = minutes; },
          "Train no longer than this, then validate and finish with what is there")
      ->group(group);
  command
      .add_option("--checkpoint-minutes", options.checkpoint_minutes,
                  "At most this much training is lost when the power fails")
      ->capture_default_str()
      ->group(group);
  command.add_option("--threads", options.threads, "0: one a core. Equal numbers give equal bytes")
      ->capture_default_str()
      ->group(group);
  command.add_option("--device", options.device, "cpu or cuda")->capture_default_str()->group(group);
  command.add_flag("--resume", options.resume, "Go on from RUN's checkpoint, with its options where none are given")
      ->group(group);
}

}  // namespace

void add_train_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("train", "Train DeepLabV3-ResNet50 on a prepared dataset");
  command->add_option("DATASET", arguments->dataset, "Folder that `pulmoseg prepare` made")->required();
  command->add_option("--run", arguments->run, "Folder for everything that comes out")->required();
  command->add_option("--size", arguments->size, "Refuse a dataset whose slices have another size");
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  add_data_options(*command, *arguments);
  add_optimisation_options(*command, arguments->options);
  add_image_options(*command, arguments->options);
  add_run_options(*command, *arguments);
  command->footer(R"(Writes to RUN: config.json, split.csv, history.csv and .png (a line an epoch), the best epoch by
validation loss among those of the largest images (deeplabv3_resnet50_trained.pth and model.onnx), last.pth
and the last two checkpoints.
Ctrl-C writes a checkpoint and ends; --resume goes on from exactly there. The same seed and number of
threads give the same bytes.

Over several processes or machines (docs/distributed.md), each batch divided among the ranks:
  torchrun --no-python --nproc-per-node 2 -- pulmoseg train DATASET --run RUN
  mpirun -n 2 pulmoseg train ..., srun -n 2 pulmoseg train ..., or RANK, WORLD_SIZE, MASTER_ADDR by hand)");
  command->callback([command, arguments] { run_train(*command, *arguments); });
}

}  // namespace pulmoseg::cli
