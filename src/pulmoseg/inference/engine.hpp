#pragma once
// Runs segmentation networks from ONNX files on this machine's processor: one, several whose answers are averaged, or each of
// them on the mirrored slice too.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/dataset/familiarity.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::inference {

struct EngineOptions {
  /// "fp32": 32-bit on every processor, also on one that has bf16, and of a file in 8 bits too. "bf16": only where the processor
  /// has it. "int8": only of a file that was exported so. "auto": the fastest of these that the file and the processor have.
  std::string precision = "fp32";
  /// Processor threads; 0 takes all that this process may use.
  int threads = 0;
  /// Asked twice: the slice as it is, and with left and right exchanged (test-time augmentation). Not upside down: what training
  /// has not seen makes the mean worse.
  bool mirror = false;
  /// Folder in which networks are kept as they were prepared for this processor, so that the next start is quicker: those that
  /// were used last, up to 1 GB (FileCache). Empty: none. A kept network gives the same bytes.
  std::filesystem::path cache = {};
};

/// Networks ready to run. The same files, processor and number of threads give the same bytes.
///
/// Several networks, and mirror images, are averaged as probabilities; the logits are then the logarithms of these. Networks must tell
/// the same classes apart and see slices preprocessed alike; what is said of "the" file is of the first.
///
/// A file without our metadata is taken, with a warning in the log, when it has two classes: background and lesion, with
/// the default preprocessing.
///
/// Memory: for each network the weights twice, and the activations of slices_in_flight() slices.
/// Errors: Error naming the file, what was found and what was expected, also for a precision that the file or the processor does
/// not have; UsageError for an unknown one.
/// Threads: one at a time.
class Engine {
 public:
  explicit Engine(const std::filesystem::path& onnx, const EngineOptions& options = {});
  explicit Engine(const std::vector<std::filesystem::path>& onnx, const EngineOptions& options = {});
  /// Of a model in memory; `name` stands for its file.
  Engine(const onnx::Model& model, const std::filesystem::path& name, const EngineOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  const std::filesystem::path& file() const;
  const std::string& precision() const;  ///< "fp32", "bf16" or "int8"
  const dataset::ClassMap& classes() const;
  const dataset::Preprocessing& preprocessing() const;
  const std::map<std::string, std::string>& metadata() const;  ///< all of the file's
  /// What its training cases looked like; nullopt when the file does not say.
  const std::optional<dataset::Familiarity>& familiarity() const;

  /// Logits n x C x rows x columns for `images`, n x channels x rows x columns, preprocessed and finished.
  /// A size that differs from the one before costs a second or two: a network is compiled for one size at a time.
  std::vector<float> run(std::span<const float> images, std::int64_t n, std::int64_t rows, std::int64_t columns);

  /// run() in two halves, for a caller that has other work meanwhile: start() on an image of preprocessing().size, collect()
  /// gives the logits of the one that was started first. Up to slices_in_flight() may be under way, Error for one more; that
  /// many keep the processor busy.
  void start(std::span<const float> image);
  std::vector<float> collect();
  std::int64_t under_way() const;
  std::int64_t slices_in_flight() const;

  /// Waits for those that are under way and forgets them.
  void abandon();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Logits n x classes x pixels to probabilities, in place: softmax over the classes.
void softmax(std::span<float> logits, std::int64_t n, std::int64_t classes, std::int64_t pixels);

/// What a file's network tells apart, from its header alone; background and lesion, where it is not one of ours.
dataset::ClassMap classes_of(const std::filesystem::path& onnx);

/// The ONNX file that `run_or_onnx` names: itself, or model.onnx in the folder of a training run.
/// Error when there is none.
std::filesystem::path find_model(const std::filesystem::path& run_or_onnx);

}  // namespace pulmoseg::inference
