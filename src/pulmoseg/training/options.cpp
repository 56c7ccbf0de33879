#include "pulmoseg/training/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"

namespace pulmoseg::training {

std::string_view name(Precision precision) {
  switch (precision) {
    case Precision::fp32: return "fp32";
    case Precision::bf16: return "bf16";
    case Precision::automatic: break;
  }
  return "auto";
}

Precision parse_precision(std::string_view text) {
  for (const Precision precision : {Precision::automatic, Precision::fp32, Precision::bf16}) {
    if (text == name(precision)) return precision;
  }
  throw UsageError(fmt::format("--precision {}: there are auto, fp32 and bf16", text));
}

std::string_view name(Schedule schedule) { return schedule == Schedule::cosine ? "cosine" : "constant"; }

Schedule parse_schedule(std::string_view text) {
  for (const Schedule schedule : {Schedule::constant, Schedule::cosine}) {
    if (text == name(schedule)) return schedule;
  }
  throw UsageError(fmt::format("--schedule {}: there are constant and cosine", text));
}

TrainingOptions recipe(std::string_view name) {
  TrainingOptions options;
  options.recipe = name;
  if (name == "original") return options;
  if (name != "fast" && name != "robust")
    throw UsageError(fmt::format("--recipe {}: there are original, fast and robust", name));
  // docs/training.md has what each of these is worth.
  options.epochs = 3;
  options.learning_rate = 3e-4;
  options.schedule = Schedule::cosine;
  options.warm_up = 0.05;
  options.progressive_size = true;
  options.freeze_batch_norm = 0.5;
  options.dice_loss = 1;
  if (name == "fast") return options;
  options.epochs = 5;
  options.freeze_batch_norm = 0.6;
  options.operating_point = true;
  options.appearance = 0.3;
  options.rotation = 15;
  options.scaling = 0.25;
  options.quarter_turns = false;
  options.equalisation = 3;
  options.equalise_unfamiliar = true;
  return options;
}

std::int64_t smallest_batch(const TrainingOptions& options, int ranks) {
  return options.sync_batch_norm ? std::max(ranks, 2) : 2 * ranks;
}

void check(const TrainingOptions& options, int ranks) {
  const auto require = [](bool holds, std::string_view message) {
    if (!holds) throw UsageError(std::string(message));
  };
  recipe(options.recipe);
  dataset::ClassMap::parse(options.classes);
  const std::int64_t smallest = smallest_batch(options, ranks);
  require(options.batch_size >= smallest,
          fmt::format("--batch-size: expected at least {}{}, since BatchNorm cannot train on a single sample", smallest,
                      ranks == 1 ? "" : fmt::format(" for {} ranks", ranks)));
  require(options.epochs >= 1, "--epochs: expected at least 1");
  require(options.learning_rate > 0 && std::isfinite(options.learning_rate), "--learning-rate: expected more than 0");
  require(options.warm_up >= 0 && options.warm_up < 1, "--warm-up: expected 0 to below 1, a share of the run");
  require(options.dice_loss >= 0 && std::isfinite(options.dice_loss), "--dice-loss: expected 0 or more");
  require(options.focal_loss == 0 || (options.focal_loss >= 1 && options.focal_loss <= 10),  // below 1 it has no slope
          "--focal-loss: expected 0 (none) or 1 to 10");
  require(options.weight_average >= 0 && std::isfinite(options.weight_average),
          "--weight-average: expected 0 (none) or a half-life in steps");
  require(options.freeze_batch_norm >= 0 && options.freeze_batch_norm <= 1,
          "--freeze-batch-norm: expected 0 to 1, a share of the run");
  require(options.appearance >= 0 && options.appearance <= 1, "--appearance: expected 0 to 1");
  require(options.rotation >= 0 && options.rotation <= 180, "--rotation: expected 0 to 180 degrees");
  require(options.scaling >= 0 && options.scaling <= 1, "--scaling: expected 0 to 1");
  require(options.balance >= 0 && options.balance <= 1, "--balance: expected 0 to 1");
  require(options.neighbours >= 0 && options.neighbours <= dataset::Preprocessing::most_neighbours,
          fmt::format("--neighbours: expected 0 to {} slices on either side", dataset::Preprocessing::most_neighbours));
  require(options.equalisation >= 0 && std::isfinite(options.equalisation),
          "--equalisation: expected 0 (none) or more");
  require(!options.equalise_unfamiliar || options.equalisation > 0,
          "--equalise-unfamiliar: expected a clip limit too, as in --equalisation 5, or --no-equalise-unfamiliar");
  require(options.flip_probability >= 0 && options.flip_probability <= 1, "--flip-probability: expected 0 to 1");
  require(options.standard_deviation > 0 && std::isfinite(options.standard_deviation) && std::isfinite(options.mean),
          "--mean, --standard-deviation: expected finite numbers, the deviation above 0");
  require(options.threads >= 0, "--threads: expected 0 (one a core) or more");
  const auto is_time = [](double minutes) { return minutes > 0 && std::isfinite(minutes); };
  require(!options.max_minutes || is_time(*options.max_minutes), "--max-minutes: expected more than 0");
  require(is_time(options.checkpoint_minutes), "--checkpoint-minutes: expected more than 0");
  require(options.device == "cpu" || options.device == "cuda", "--device: there are cpu and cuda");
}

}  // namespace pulmoseg::training
