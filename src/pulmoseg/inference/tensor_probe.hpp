#pragma once
// What a network computes on the way: the values of its tensors, for choosing their ranges.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::inference {

/// Runs a network in 32-bit on one image at a time.
/// Errors: Error beginning with `name`, for a network that cannot be run or has no such tensor. Threads: one at a time.
class TensorProbe {
 public:
  /// `tensors`: those to look at, of float32 values; inputs of the network among them. 0 threads: all.
  TensorProbe(const onnx::Model& model, std::string name, std::vector<std::string> tensors, std::int64_t rows,
              std::int64_t columns, int threads = 0);
  ~TensorProbe();

  /// Hands over the values of every tensor, numbered as they were given, valid during the call.
  void run(std::span<const float> image, const std::function<void(std::size_t, std::span<const float>)>& on_tensor);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::inference
