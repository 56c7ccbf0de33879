#include "pulmoseg/training/train.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/model/export_onnx.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/onnx/model.hpp"
#include "pulmoseg/training/device.hpp"

namespace pulmoseg::training {
namespace {

Precision choose_precision(const TrainingOptions& options) {
  const bool fast = options.device == "cuda" || has_fast_bfloat16();
  if (options.precision == Precision::automatic)
    return fast && options.recipe != "original" ? Precision::bf16 : Precision::fp32;
  if (options.precision == Precision::bf16 && !fast) {
    spdlog::warn(
        "--precision bf16: {} has no bfloat16 instructions (AVX512_BF16, AMX), so it is emulated, several times "
        "slower than fp32",
        processor_name());
  }
  return options.precision;
}

Network deeplabv3(std::size_t classes, std::map<std::string, std::string> onnx_metadata) {
  model::DeepLabV3 network(model::DeepLabV3Options{.classes = static_cast<std::int64_t>(classes)});
  return {
      .module = network.ptr(),
      .forward = [network](const torch::Tensor& images) mutable { return network->forward(images); },
      .write_onnx = [network, metadata = std::move(onnx_metadata)](
                        const std::filesystem::path& file) { onnx::write(model::to_onnx(network, metadata), file); }};
}

void initialise(torch::nn::Module& network, const std::filesystem::path& file) {
  const auto report = model::init_from(network, model::read_weights(file), file.string());
  const std::size_t tensors =
      report.taken.size() + report.summed_to_one_channel.size() + report.missing.size() + report.wrong_shape.size();
  spdlog::info("{}: {} of the network's {} tensors start from it", file.string(),
               report.taken.size() + report.summed_to_one_channel.size(), tensors);
  const auto list = [](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    spdlog::info("  {}: {} ({}{})", what, names.size(), names.front(),
                 names.size() > 1 ? ", ..., " + names.back() : "");
  };
  list("taken as they are", report.taken);
  list("summed to one channel", report.summed_to_one_channel);
  list("not in the file, random", report.missing);
  list("of another shape, random", report.wrong_shape);
  list("in the file, not used", report.unused);
}

/// What a killed run was writing: half a checkpoint is half a gigabyte. The folder is locked, so nobody is writing now.
void remove_unfinished_files(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> unfinished;
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    if (entry.path().filename().string().starts_with(".partial-")) unfinished.push_back(entry.path());
  }
  for (const auto& file : unfinished) std::filesystem::remove(file);
}

TrainingResult run_training(const NetworkFactory& make_network, const dataset::Dataset& dataset,
                            const dataset::Split& split, const std::filesystem::path& run,
                            const TrainingOptions& given_options, const TrainingCallbacks& callbacks) {
  check(given_options);
  TrainingOptions options = given_options;
  options.precision = choose_precision(options);
  if (options.threads > 0) at::set_num_threads(options.threads);

  const RunFolder folder{run};
  const FolderLock lock(run);
  const RunConfig config = describe_run(dataset, split, options);
  if (options.resume) {
    check_same_run(config, dataset, split, folder);
    remove_unfinished_files(run);
  } else if (std::filesystem::exists(folder.config())) {
    throw Error(fmt::format("{}: holds a training run already; go on with --resume or train into another folder",
                            run.string()));
  }

  keep_freed_memory();
  torch::manual_seed(options.seed);
  Network network = make_network(class_names(options.classes).size(), model_metadata(config));
  auto checkpoint = options.resume ? folder.checkpoints().load() : std::nullopt;
  if (!options.init.empty() && !checkpoint) initialise(*network.module, options.init);
  Trainer trainer(network, dataset, split, folder, options, callbacks);
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
                     const TrainingOptions& options, const TrainingCallbacks& callbacks) {
  return train_network(deeplabv3, dataset, split, run, options, callbacks);
}

TrainingResult train_network(const NetworkFactory& make_network, const dataset::Dataset& dataset,
                             const dataset::Split& split, const std::filesystem::path& run,
                             const TrainingOptions& options, const TrainingCallbacks& callbacks) {
  try {
    return run_training(make_network, dataset, split, run, options, callbacks);
  } catch (const c10::Error& error) {
    rethrow(error, run);
  }
}

}  // namespace pulmoseg::training
