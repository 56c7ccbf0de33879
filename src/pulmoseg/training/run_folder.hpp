#pragma once
// A run's folder: the names in it, and its files that are text.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/training/checkpoint.hpp"
#include "pulmoseg/training/options.hpp"

namespace pulmoseg::training {

struct RunFolder {
  std::filesystem::path folder;

  std::filesystem::path config() const { return folder / "config.json"; }
  std::filesystem::path split() const { return folder / "split.csv"; }
  std::filesystem::path history() const { return folder / "history.csv"; }
  Checkpoints checkpoints() const { return Checkpoints(folder); }
  std::filesystem::path best_weights() const { return folder / "deeplabv3_resnet50_trained.pth"; }
  std::filesystem::path last_weights() const { return folder / "last.pth"; }
  std::filesystem::path onnx() const { return folder / "model.onnx"; }
};

/// What a run is: its options, its data, the machine. Written whenever it starts or goes on.
struct RunConfig {
  TrainingOptions options;
  std::string dataset_name;              ///< its folder's own name
  std::string dataset_fingerprint;       ///< which slices (Dataset::fingerprint())
  std::string dataset_content;           ///< SHA-256 of dataset.json, which counts the lesion pixels of each case
  dataset::Preprocessing preprocessing;  ///< of its slices, to the network's input
  std::string split;                     ///< e.g. "patient 1/5 seed 0"
  int ranks = 1;                         ///< processes that train together
  int threads = 0;                       ///< of rank 0, that really computed
  std::string processor;
};
RunConfig describe_run(const dataset::Dataset& dataset, const dataset::Split& split, const TrainingOptions& options,
                       int ranks = 1);

/// config.json, schema "pulmoseg.run/1".
void write_config(const RunConfig& config, const dataset::Dataset& dataset, const dataset::Split& split,
                  const RunFolder& run);
/// Error when the folder holds no run, or its config.json is damaged or of another schema.
RunConfig read_config(const RunFolder& run);

/// Error naming the first difference between the run that is there and the one that would go on: the dataset, the split, or
/// an option that decides the result.
void check_same_run(const RunConfig& now, const dataset::Dataset& dataset, const dataset::Split& split,
                    const RunFolder& run);

/// A warning when the run was started with another number of threads or ranks or on another processor: that may change the
/// last bits.
void warn_of_another_machine(const RunConfig& now, const RunFolder& run);

/// Every option as JSON and back, but for `resume`.
std::string to_json(const TrainingOptions& options);
TrainingOptions options_from_json(std::string_view text);

/// history.csv, a line an epoch, its columns as EpochRecord; losses in full precision, an undefined Dice is empty.
void write_history(std::span<const EpochRecord> history, const std::filesystem::path& file);

/// Metadata of the run's model.onnx: classes, preprocessing, and where the weights come from.
std::map<std::string, std::string> model_metadata(const RunConfig& config);

}  // namespace pulmoseg::training
