#include "train_options.hpp"

#include <filesystem>
#include <string>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/class_map.hpp"

namespace pulmoseg::cli {
namespace {

/// The map's own text, so that a run does not depend on the file that it came from.
std::string read_classes(const std::string& name_or_file) {
  const bool is_file = std::filesystem::is_regular_file(name_or_file);
  return dataset::ClassMap::parse(is_file ? read_file(name_or_file) : name_or_file).text();
}

void add_data_options(CLI::App& command, training::TrainingOptions& options) {
  command.option_defaults()->group(what_is_learnt)->always_capture_default();
  command.add_option("--recipe", options.recipe,
                     "Set of defaults: original; fast (small images first, soft Dice, a falling learning rate, "
                     "BatchNorm frozen); or robust (the same for longer, on slices varied as from other hospitals)");
  command
      .add_option_function<std::string>(
          "--classes", [&](const std::string& text) { options.classes = read_classes(text); },
          "What is told apart: lesion, lung+lesion, ggo+consolidation+effusion, or a file of lines NAME = lung, "
          "NAME = lesion, NAME = label 1 2")
      ->default_str("lesion");
  command.add_option("--init", options.init, "Start from the weights of another model (.pth, .safetensors, .onnx)");
  command.add_option("--seed", options.seed, "Of the split, weights, shuffling, augmentation, dropout");
}

void add_optimisation_options(CLI::App& command, training::TrainingOptions& options) {
  command.option_defaults()->group("How it is learnt")->always_capture_default();
  command.add_option("--batch-size", options.batch_size, "Slices a step, of all ranks together");
  command.add_option("--learning-rate", options.learning_rate, "Of Adam");
  command
      .add_option_function<std::string>(
          "--schedule", [&](const std::string& text) { options.schedule = training::parse_schedule(text); },
          "Of the learning rate over the run's epochs: constant, or cosine (down to zero)")
      ->default_str("constant");
  command.add_option("--warm-up", options.warm_up,
                     "Share of the run in which the learning rate rises to its full value");
  command
      .add_flag("--progressive-size,!--no-progressive-size", options.progressive_size,
                "Half the image size for the first third of the run")
      ->default_str("off");
  command.add_option(
      "--freeze-batch-norm", options.freeze_batch_norm,
      "Last share of the run in which BatchNorm keeps its statistics, as it will when the model is used");
  command
      .add_flag("--operating-point,!--no-operating-point", options.operating_point,
                "Shift lesion's logits of the model that is kept to where the validation part's pooled Dice is highest")
      ->default_str("off");
  command.add_option("--weight-average", options.weight_average,
                     "Keep the average of the weights: its half-life in steps, 0: none");
  command.add_option("--focal-loss", options.focal_loss,
                     "Gamma of a focal cross-entropy, in which pixels that are right already count less; 0: all alike");
  command.add_option("--dice-loss", options.dice_loss, "Weight of the soft Dice loss beside the cross-entropy");
  command
      .add_option_function<std::string>(
          "--precision", [&](const std::string& text) { options.precision = training::parse_precision(text); },
          "fp32, bf16 (fast with AVX512_BF16, AMX or a GPU only), or auto: fp32 in recipe original, else the faster")
      ->default_str("auto");
  command
      .add_flag("--sync-batch-norm,!--no-sync-batch-norm", options.sync_batch_norm,
                "Of several ranks: BatchNorm over the whole batch, so that the result is that of one rank")
      ->default_str("off");
}

void add_image_options(CLI::App& command, training::TrainingOptions& options) {
  command.option_defaults()->group("How its images are changed")->always_capture_default();
  command.add_option("--balance", options.balance, "0: each slice once an epoch; up to 1: as many of each patient");
  command.add_option("--flip-probability", options.flip_probability, "Of a horizontal flip");
  command
      .add_flag("--quarter-turns,!--no-quarter-turns", options.quarter_turns,
                "Random rotation by 0, 90, 180, 270 degrees")
      ->default_str("on");
  command.add_option("--appearance", options.appearance,
                     "Share of slices that look as from elsewhere: random windows, contrast, resolution, blur, noise");
  command.add_option("--rotation", options.rotation, "Random, up to so many degrees either way");
  command.add_option("--scaling", options.scaling, "Random, up to this share larger or as much smaller");
  command.add_option("--neighbours", options.neighbours,
                     "Slices below and above that the network sees too, as further channels (2.5-D)");
  command.add_option("--equalisation", options.equalisation,
                     "Clip limit of contrast-limited equalisation of each slice, in training and in use; 0: none");
  command
      .add_flag("--equalise-unfamiliar,!--no-equalise-unfamiliar", options.equalise_unfamiliar,
                "Equalise nothing in training; in use, cases that look unlike the training's, and less so for it")
      ->default_str("off");
  command.add_option("--mean", options.mean, "Subtracted from the slices, which are scaled to 0...1");
  command.add_option("--standard-deviation", options.standard_deviation, "Then divided by");
}

void add_run_options(CLI::App& command, training::TrainingOptions& options) {
  command.option_defaults()->group(how_it_runs)->always_capture_default();
  command.add_option("--epochs", options.epochs,
                     "Passes over the training part; schedule and growing images follow their number");
  command.add_option_function<double>(
      "--max-minutes", [&](double minutes) { options.max_minutes = minutes; },
      "Train no longer than this, then validate and finish with what is there");
  command.add_option("--checkpoint-minutes", options.checkpoint_minutes,
                     "At most this much training is lost when the power fails");
  command.add_option("--threads", options.threads, "0: one a core. Equal numbers give equal bytes");
  command.add_option("--device", options.device, "cpu or cuda");
}

}  // namespace

void add_training_options(CLI::App& command, training::TrainingOptions& options) {
  add_data_options(command, options);
  add_optimisation_options(command, options);
  add_image_options(command, options);
  add_run_options(command, options);
}

void apply_given_options(const CLI::App& command, training::TrainingOptions& options,
                         training::TrainingOptions defaults) {
  defaults.resume = options.resume;
  defaults.max_minutes.reset();  // of a run that is resumed: its time was that call's
  options = std::move(defaults);
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() > 0) const_cast<CLI::Option*>(option)->run_callback();
  }
}

}  // namespace pulmoseg::cli
