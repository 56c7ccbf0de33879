#pragma once
// One ONNX file, ready to run on this machine's processor: for this room and its engine (engine.hpp), which others take.
//
// One float32 input N x channels x rows x columns (preprocessed slices: one channel, or with its neighbours 2n + 1, from the
// lowest to the highest), one float32 output N x C x rows x columns (logits of C >= 2 classes, class 0 is the background). Which
// classes, and how slices are preprocessed, stands in the file's metadata (pulmoseg.classes, pulmoseg.class_map:
// dataset::ClassMap; dataset::Preprocessing).

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
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::inference {

/// What a file says about its network.
struct NetworkFacts {
  std::filesystem::path file;
  std::map<std::string, std::string> metadata = {};  ///< all of the file's
  dataset::ClassMap classes = dataset::ClassMap::parse("lesion");
  dataset::Preprocessing preprocessing = {};
  std::optional<dataset::Familiarity> familiarity =
      {};                      ///< what its training cases looked like; nullopt: it does not say
  std::string precision = {};  ///< in which it runs: "fp32", "bf16" or "int8"
};

/// As metadata names them; without metadata of ours, background and lesion. Error, beginning with `file`, for damaged ones.
dataset::ClassMap read_classes(const std::map<std::string, std::string>& metadata, const std::filesystem::path& file);

/// Images go in one by one and logits come out in the same order, several under way at a time.
/// Memory: the weights twice, and the activations of requests() slices. Errors, and what a file without our metadata means:
/// as Engine's. Threads: one at a time.
class Network {
 public:
  Network(const std::filesystem::path& onnx, const EngineOptions& options);
  /// Of a model in memory; `name` stands for its file.
  Network(const onnx::Model& model, const std::filesystem::path& name, const EngineOptions& options);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  const NetworkFacts& facts() const;

  /// Another size than that of the images under way, or of the one before, costs a second or two: the network is compiled for one
  /// size at a time, and those under way are forgotten. Error beyond requests() images.
  void start(std::span<const float> image, std::int64_t rows, std::int64_t columns);
  /// Of the image that was started first.
  std::vector<float> collect();

  std::size_t under_way() const;
  std::size_t requests() const;  ///< one more than compute at a time, so that none waits for the caller
  void abandon();                ///< waits for those that are under way and forgets them

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::inference
