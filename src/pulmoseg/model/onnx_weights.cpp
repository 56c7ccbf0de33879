#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <map>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/weight_formats.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::model {
namespace {

template <class Value>
at::Tensor tensor_of(const onnx::Initializer& initializer, at::ScalarType type) {
  const auto& values = std::get<std::vector<Value>>(initializer.data);
  at::Tensor tensor = at::empty(initializer.shape, type);
  std::ranges::copy(values, tensor.mutable_data_ptr<Value>());
  return tensor;
}

using ByName = std::map<std::string, const onnx::Initializer*>;

/// The tensor that a node takes under this name: stored as it is, or as whole numbers and scales.
at::Tensor read_tensor(const ByName& stored, const std::string& name, const std::filesystem::path& file) {
  const auto find = [&](const std::string& of) {
    const auto found = stored.find(of);
    return found == stored.end() ? nullptr : found->second;
  };
  if (const auto* plain = find(name); plain && std::holds_alternative<std::vector<float>>(plain->data))
    return tensor_of<float>(*plain, at::kFloat);
  const auto *whole = find(name + onnx_int8_suffix), *scale = find(name + onnx_scale_suffix),
             *bias = find(name + onnx_int32_suffix);
  if (bias && scale && std::holds_alternative<std::vector<std::int32_t>>(bias->data) &&
      std::holds_alternative<std::vector<float>>(scale->data) && bias->shape == scale->shape) {
    return tensor_of<std::int32_t>(*bias, at::kInt).to(at::kFloat) * tensor_of<float>(*scale, at::kFloat);
  }
  if (!whole || !scale || !std::holds_alternative<std::vector<std::int8_t>>(whole->data) ||
      !std::holds_alternative<std::vector<float>>(scale->data) || whole->shape.size() != 4 ||
      scale->shape != std::vector{whole->shape[0]}) {
    throw Error(fmt::format("{}: holds no weights under the name {}; export it with this version of pulmoseg",
                            file.string(), name));
  }
  return tensor_of<std::int8_t>(*whole, at::kChar).to(at::kFloat) *
         tensor_of<float>(*scale, at::kFloat).view({-1, 1, 1, 1});
}

}  // namespace

StateDict read_onnx_weights(const std::filesystem::path& file) {
  const onnx::Model model = onnx::read(file);
  ByName stored;
  for (const onnx::Initializer& initializer : model.initializers) stored.emplace(initializer.name, &initializer);
  StateDict state;
  bool has_norm = false;
  for (const onnx::Node& node : model.nodes) {
    const bool is_norm = node.op_type == "BatchNormalization";
    if (!is_norm && node.op_type != "Conv") continue;
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
      state.emplace_back(node.inputs[i], read_tensor(stored, node.inputs[i], file));
    if (is_norm) state.emplace_back(node.name + ".num_batches_tracked", at::zeros({}, at::kLong));
    has_norm = has_norm || is_norm;
  }
  if (!has_norm) {
    throw Error(
        fmt::format("{}: has no BatchNorm of its own (it was folded away), so it cannot be trained on; take "
                    "the .pth that it was exported from",
                    file.string()));
  }
  return state;
}

}  // namespace pulmoseg::model
