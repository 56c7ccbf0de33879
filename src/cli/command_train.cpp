// pulmoseg train: a dataset into a trained model.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/fold.hpp"
#include "pulmoseg/training/ranks.hpp"
#include "pulmoseg/training/train.hpp"
#include "train_options.hpp"
#include "train_run.hpp"

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

dataset::Split make_split(const Arguments& arguments, const dataset::Dataset& dataset) {
  const std::uint64_t seed = arguments.split_seed.value_or(arguments.options.seed);
  if (arguments.split == "slice") return dataset::split_by_slice(dataset, seed);
  const auto fold = dataset::parse_fold(arguments.fold);
  if (!fold) throw UsageError(fmt::format("--fold {}: expected k/n, e.g. 1/5", arguments.fold));
  return dataset::split_by_patient(dataset, seed, fold->first, fold->second);
}

dataset::Split prepare_run(const CLI::App& command, Arguments& arguments, const dataset::Dataset& dataset) {
  if (command.count("--fold") > 0 && arguments.split != "patient") throw UsageError("--fold: needs --split patient");
  const bool resume = arguments.options.resume;
  const training::RunFolder run{arguments.run};
  apply_given_options(command, arguments.options,
                      resume ? training::read_config(run).options : training::recipe(arguments.options.recipe));
  if (arguments.size != 0 && arguments.size != dataset.rows()) {
    throw UsageError(fmt::format("--size {}: {} has slices of {}x{}; prepare it again with --size {}", arguments.size,
                                 arguments.dataset, dataset.rows(), dataset.columns(), arguments.size));
  }
  if (!resume || command.count("--split") > 0) return make_split(arguments, dataset);
  if (arguments.split_seed) throw UsageError("--split-seed: a run that is resumed keeps its split");
  return dataset::read_split(run.split(), dataset);
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

void run_train(const CLI::App& command, Arguments& arguments) {
  const auto place = training::rank_place([](const char* name) { return std::getenv(name); });
  if (place.rank > 0) {
    spdlog::set_level(spdlog::level::warn);
    spdlog::set_pattern(fmt::format("rank {}: %^%l%$: %v", place.rank));
  }
  training::ProcessGroup group(place);
  group.run([&] {
    const auto dataset = dataset::Dataset::open(arguments.dataset);
    if (group.is_first()) {
      const auto split = prepare_run(command, arguments, dataset);
      return print_result(train_and_show(dataset, split, arguments.run, arguments.options, group), arguments);
    }
    training::TrainingCallbacks callbacks;
    callbacks.stop = stop_token();
    training::train(dataset, /*split=*/{}, arguments.run, arguments.options, callbacks, &group);  // rank 0's split
  });
}

void add_split_options(CLI::App& command, Arguments& arguments) {
  command.option_defaults()->group(what_is_learnt)->always_capture_default();
  command.add_option("--split", arguments.split, "slice: 70/15/15 % of the slices at random; patient: whole patients")
      ->check(CLI::IsMember({"slice", "patient"}));
  command.add_option("--fold", arguments.fold, "Test fold k of n of a split by patient");
  command.add_option("--split-seed", arguments.split_seed, "Of the split alone, where it is not to be --seed");
  command
      .add_flag("--resume", arguments.options.resume,
                "Go on from RUN's checkpoint, with its options where none are given")
      ->group(how_it_runs);
}

}  // namespace

void add_train_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("train", "Train DeepLabV3-ResNet50 on a prepared dataset");
  command->add_option("DATASET", arguments->dataset, "Folder that `pulmoseg prepare` made")->required();
  command->add_option("--run", arguments->run, "Folder for everything that comes out")->required();
  command->add_option("--size", arguments->size, "Refuse a dataset whose slices have another size");
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  add_training_options(*command, arguments->options);
  add_split_options(*command, *arguments);
  command->footer(R"(Writes to RUN: config.json, split.csv, history.csv and .png (a line an epoch), the best epoch by
validation loss among those of the largest images (deeplabv3_resnet50_trained.pth and model.onnx), last.pth
and the last two checkpoints.
Ctrl-C writes a checkpoint and ends; --resume goes on from exactly there. On a processor, the same seed
and number of threads give the same bytes; on a GPU, nearly the same weights.

Over several processes or machines (docs/distributed.md), each batch divided among the ranks:
  torchrun --no-python --nproc-per-node 2 -- pulmoseg train DATASET --run RUN
  mpirun -n 2 pulmoseg train ..., srun -n 2 pulmoseg train ..., or RANK, WORLD_SIZE, MASTER_ADDR by hand)");
  command->callback([command, arguments] { run_train(*command, *arguments); });
}

}  // namespace pulmoseg::cli
