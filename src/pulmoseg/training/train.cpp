#include "pulmoseg/training/train.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/dataset/familiarity.hpp"
#include "pulmoseg/model/batch_norm.hpp"
#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/model/export_onnx.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/onnx/model.hpp"
#include "pulmoseg/training/device.hpp"

namespace pulmoseg::training {
namespace {

Precision choose_precision(const TrainingOptions& options) {
  const bool fast = options.device == "cuda" || has_fast_bfloat16();
  if (options.precision != Precision::automatic) return options.precision;
  return fast && options.recipe != "original" ? Precision::bf16 : Precision::fp32;
}

/// Each rank for itself: it may have another processor than rank 0, which chose.
void warn_of_slow_bfloat16(const TrainingOptions& options) {
  if (options.precision != Precision::bf16 || options.device != "cpu" || has_fast_bfloat16()) return;
  spdlog::warn(
      "--precision bf16: {} has no bfloat16 instructions (AVX512_BF16, AMX), so it is emulated, several times slower "
      "than "
      "fp32",
      processor_name());
}

Network deeplabv3(NetworkShape shape) {
  model::DeepLabV3 network(model::DeepLabV3Options{.classes = shape.classes, .channels = shape.channels});
  return {
      .module = network.ptr(),
      .forward = [network](const torch::Tensor& images) mutable { return network->forward(images); },
      .write_onnx = [network, metadata = std::move(shape.onnx_metadata)](
                        const std::filesystem::path& file) { onnx::write(model::to_onnx(network, metadata), file); },
      .logit_bias = network->named_parameters()["classifier.4.bias"]};
}

void initialise(torch::nn::Module& network, const std::filesystem::path& file) {
  const auto report = model::init_from(network, model::read_weights(file), file.string());
  const std::size_t tensors =
      report.taken.size() + report.fitted_to_channels.size() + report.missing.size() + report.wrong_shape.size();
  spdlog::info("{}: {} of the network's {} tensors start from it", file.string(),
               report.taken.size() + report.fitted_to_channels.size(), tensors);
  const auto list = [](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    spdlog::info("  {}: {} ({}{})", what, names.size(), names.front(),
                 names.size() > 1 ? ", ..., " + names.back() : "");
  };
  list("taken as they are", report.taken);
  list("spread over the image's channels", report.fitted_to_channels);
  list("not in the file, random", report.missing);
  list("of another shape, random", report.wrong_shape);
  list("in the file, not used", report.unused);
}

/// The split of rank 0; of every other rank, only the parts matter.
dataset::Split rank_0s(dataset::Split split, ProcessGroup& group) {
  std::string parts;
  for (const auto part : split.parts) parts.push_back(static_cast<char>('0' + static_cast<int>(part)));
  split.parts.clear();
  for (const char part : group.broadcast(parts)) split.parts.push_back(static_cast<dataset::Part>(part - '0'));
  return split;
}

void check_same_dataset(const dataset::Dataset& dataset, const RunConfig& config, ProcessGroup& group) {
  const std::string mine = fmt::format("{} of size {}, SHA-256 of dataset.json {}", config.dataset_fingerprint,
                                       config.preprocessing.size, config.dataset_content);
  const std::string rank_0s = group.broadcast(mine);
  if (mine == rank_0s) return;
  throw Error(fmt::format("{}: is another dataset ({}) than that of rank 0 ({}); copy rank 0's to every machine",
                          dataset.folder().string(), mine, rank_0s));
}

/// A folder that may be trained into.
void check_folder(const RunFolder& folder, const RunConfig& config, const dataset::Dataset& dataset,
                  const dataset::Split& split) {
  if (config.options.resume) {
    check_same_run(config, dataset, split, folder);
    warn_of_another_machine(config, folder);
    remove_unfinished(folder.folder);  // half a checkpoint is half a gigabyte; the folder is locked, nobody is writing
  } else if (std::filesystem::exists(folder.config())) {
    throw Error(fmt::format("{}: holds a training run already; go on with --resume or train into another folder",
                            folder.folder.string()));
  }
}

/// Checked, without "automatic", and rank 0's on every rank.
TrainingOptions settle(TrainingOptions options, ProcessGroup& group) {
  if (group.is_first()) {
    check(options, group.ranks());
    options.precision = choose_precision(options);
  }
  if (group.ranks() > 1) options = options_from_json(group.broadcast(to_json(options)));
  warn_of_slow_bfloat16(options);
  return options;
}

/// LibTorch takes all cores of the machine, and torchrun tells it to take one.
void set_threads(const TrainingOptions& options, const ProcessGroup& group) {
  if (options.threads > 0) return at::set_num_threads(options.threads);
  if (group.ranks() > 1) at::set_num_threads(cores_for_one_of(group.ranks_on_these_cores()));
}

TrainingResult run_training(const NetworkFactory& make_network, const dataset::Dataset& dataset,
                            const dataset::Split& given_split, const std::filesystem::path& run,
                            const TrainingOptions& given_options, const TrainingCallbacks& callbacks,
                            ProcessGroup& group) {
  TrainingOptions options = settle(given_options, group);
  options.resume = given_options.resume;
  set_threads(options, group);
  const auto device =
      open_device(options.device, group.local_rank());  // before the first random number, and before a folder is made
  const dataset::Split split = rank_0s(given_split, group);
  const RunConfig config = describe_run(dataset, split, options, group.ranks());
  check_same_dataset(dataset, config, group);

  const RunFolder folder{run};
  std::optional<FolderLock> lock;
  if (group.is_first()) {
    lock.emplace(run);
    check_folder(folder, config, dataset, split);
  }

  keep_freed_memory();
  torch::manual_seed(options.seed);
  auto metadata = model_metadata(config);
  if (const auto rows = split.rows(dataset::Part::training); group.is_first() && !rows.empty())  // who writes the file
    metadata.merge(dataset::Familiarity::of(dataset, rows, config.preprocessing).to_metadata());
  Network network =
      make_network({.classes = static_cast<std::int64_t>(dataset::ClassMap::parse(options.classes).size()),
                    .channels = config.preprocessing.channels(),
                    .onnx_metadata = std::move(metadata)});
  if (options.sync_batch_norm && group.ranks() > 1)
    model::synchronise_batch_norm(*network.module, [&group](torch::Tensor& tensor) { group.sum(tensor); });
  if (!group.is_first()) return Trainer(network, dataset, split, folder, options, device, callbacks, group).run();
  auto checkpoint = options.resume ? folder.checkpoints().load() : std::nullopt;
  if (!options.init.empty() && !checkpoint) initialise(*network.module, options.init);
  Trainer trainer(network, dataset, split, folder, options, device, callbacks, group);
  if (checkpoint) {
    trainer.resume(*checkpoint);
    checkpoint.reset();  // three times the size of the network
  } else {
    dataset::write_split(split, dataset, folder.split());
  }
  write_config(config, dataset, split, folder);  // after the split: with it, the folder is a run
  return trainer.run();
}

/// LibTorch's words fill a screen with the names of its own functions.
[[noreturn]] void rethrow(const c10::Error& error, const std::filesystem::path& run) {
  const std::string words = error.what_without_backtrace();
  throw Error(fmt::format("{}: training failed in LibTorch: {}", run.string(), words.substr(0, words.find('\n'))));
}

}  // namespace

TrainingResult train(const dataset::Dataset& dataset, const dataset::Split& split, const std::filesystem::path& run,
                     const TrainingOptions& options, const TrainingCallbacks& callbacks, ProcessGroup* group) {
  return train_network(deeplabv3, dataset, split, run, options, callbacks, group);
}

TrainingResult train_network(const NetworkFactory& make_network, const dataset::Dataset& dataset,
                             const dataset::Split& split, const std::filesystem::path& run,
                             const TrainingOptions& options, const TrainingCallbacks& callbacks, ProcessGroup* group) {
  ProcessGroup alone;
  try {
    return run_training(make_network, dataset, split, run, options, callbacks, group ? *group : alone);
  } catch (const c10::Error& error) {
    rethrow(error, run);
  }
}

}  // namespace pulmoseg::training
