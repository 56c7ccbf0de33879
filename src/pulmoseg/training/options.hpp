#pragma once
// What a training can be told. Defaults are those of the original system; a recipe is a set of other defaults.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pulmoseg::training {

/// automatic: 32-bit in recipe `original`, which promises the original's numbers; in others bf16 where the processor or GPU has
/// the instructions. bf16: forward and backward in bfloat16 by autocast, weights
/// and Adam in 32-bit; fast where the processor has the instructions (AVX512_BF16, AMX) and slower than 32-bit elsewhere.
enum class Precision { automatic, fp32, bf16 };

std::string_view name(Precision precision);
Precision parse_precision(std::string_view text);  ///< "auto", "fp32", "bf16"; UsageError otherwise

/// Of the learning rate; see learning_rate_at().
enum class Schedule { constant, cosine };

std::string_view name(Schedule schedule);
Schedule parse_schedule(std::string_view text);  ///< "constant", "cosine"; UsageError otherwise

struct TrainingOptions {
  // What is learnt. These decide the result, so a resumed run must have the same.
  std::string recipe = "original";
  std::string classes = "lesion";          ///< dataset::ClassMap::parse()
  std::int64_t batch_size = 4;             ///< of all ranks together; see smallest_batch()
  double learning_rate = 1e-4;             ///< of Adam (betas 0.9 and 0.999, epsilon 1e-8, no weight decay)
  Schedule schedule = Schedule::constant;  ///< of the learning rate
  double warm_up = 0;                      ///< share of the run in which the learning rate rises to its full value
  bool progressive_size = false;           ///< begin with small images: image_size_at()
  double dice_loss = 0;                    ///< weight of the soft Dice loss beside the cross-entropy
  double focal_loss = 0;                   ///< gamma of the cross-entropy, 0: each pixel counts alike: loss_sums()
  bool operating_point = false;   ///< the model that is kept has its lesion logits shifted: LesionMargins::best_shift()
  double weight_average = 0;      ///< half-life in steps of the average of the weights that is kept; 0: no average
  double freeze_batch_norm = 0;   ///< last share of the run in which BatchNorm keeps its statistics
  double appearance = 0;          ///< share of slices that look as from elsewhere: draw_appearance()
  double rotation = 0;            ///< random, up to so many degrees either way
  double scaling = 0;             ///< random, up to this share larger or as much smaller
  double balance = 0;             ///< 0: each slice once an epoch; up to 1: as many of each patient: sampled()
  double flip_probability = 0.5;  ///< horizontal flip
  bool quarter_turns = true;      ///< rotation by 0, 90, 180 or 270 degrees, each as likely
  std::int64_t neighbours = 0;    ///< slices on either side that the network sees too, as further channels (2.5-D)
  double equalisation = 0;        ///< clip limit of contrast-limited equalisation of every slice, also in use; 0: none
  bool equalise_unfamiliar = false;             ///< not in training; in use, cases that look more familiar for it
  double mean = 0.0, standard_deviation = 1.0;  ///< normalisation (x - mean) / standard_deviation after min-max scaling
  std::uint64_t seed = 0;                       ///< of initial weights, shuffling, augmentation and dropout
  Precision precision = Precision::automatic;
  bool sync_batch_norm = false;  ///< of several ranks: mean and variance over the batch, not over each piece
  std::filesystem::path init;    ///< weights of another model to start from (.pth, .safetensors); empty: random

  // How far and how it runs. A resumed run may have others; of epochs, where no schedule follows them.
  std::int64_t epochs = 20;
  std::optional<double> max_minutes;  ///< train no longer than this, then validate and finish
  double checkpoint_minutes = 10;     ///< a checkpoint within an epoch at least this often (each epoch ends with one)
  int threads = 0;                    ///< of the computation; 0: one a core. The same number gives the same bytes
  std::string device = "cpu";         ///< "cpu" or "cuda"
  bool resume = false;                ///< go on from the checkpoint in the run folder
};

/// The defaults of a recipe. UsageError naming the recipes there are.
TrainingOptions recipe(std::string_view name);

/// Samples that a batch must have: BatchNorm of the pooled ASPP branch has one value a sample and channel, and cannot train on
/// a single one. That is, two a rank; with synchronised BatchNorm two in all, and one a rank.
std::int64_t smallest_batch(const TrainingOptions& options, int ranks);

/// UsageError for a value that cannot be (a batch that is too small, no epoch, a probability above 1 …).
void check(const TrainingOptions& options, int ranks = 1);

/// Calls visit(name, field) for every option that decides the result.
template <class Options, class Visitor>
void each_result_option(Options& options, Visitor&& visit) {
  visit("recipe", options.recipe);
  visit("classes", options.classes);
  visit("batch_size", options.batch_size);
  visit("learning_rate", options.learning_rate);
  visit("schedule", options.schedule);
  visit("warm_up", options.warm_up);
  visit("progressive_size", options.progressive_size);
  visit("dice_loss", options.dice_loss);
  visit("focal_loss", options.focal_loss);
  visit("operating_point", options.operating_point);
  visit("weight_average", options.weight_average);
  visit("freeze_batch_norm", options.freeze_batch_norm);
  visit("appearance", options.appearance);
  visit("rotation", options.rotation);
  visit("scaling", options.scaling);
  visit("balance", options.balance);
  visit("flip_probability", options.flip_probability);
  visit("quarter_turns", options.quarter_turns);
  visit("neighbours", options.neighbours);
  visit("equalisation", options.equalisation);
  visit("equalise_unfamiliar", options.equalise_unfamiliar);
  visit("mean", options.mean);
  visit("standard_deviation", options.standard_deviation);
  visit("seed", options.seed);
  visit("precision", options.precision);
  visit("sync_batch_norm", options.sync_batch_norm);
  visit("init", options.init);
}

/// The same for these and then for every option that does not.
template <class Options, class Visitor>
void each_option(Options& options, Visitor&& visit) {
  each_result_option(options, visit);
  visit("epochs", options.epochs);
  visit("max_minutes", options.max_minutes);
  visit("checkpoint_minutes", options.checkpoint_minutes);
  visit("threads", options.threads);
  visit("device", options.device);
}

}  // namespace pulmoseg::training
