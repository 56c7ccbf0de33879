#include "pulmoseg/quantization/quantise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/onnx/graph.hpp"

namespace pulmoseg::quantization {
namespace {

using Names = std::set<std::string>;

bool is_quantised_convolution(const onnx::Node& node, const Names& kept) {
  return node.op_type == "Conv" && !kept.contains(node.name);
}

/// Whether it is computed by a convolution that stays in floats.
bool is_kept(const onnx::Model& model, const std::string& tensor, const Names& kept) {
  const onnx::Node* node = onnx::producer(model, tensor);
  if (node && node->op_type == "BatchNormalization") node = onnx::producer(model, node->inputs.front());
  return node && node->op_type == "Conv" && kept.contains(node->name);
}

/// Nodes that give the numbers that they are given: their input and output have one range.
bool passes_on(const onnx::Node& node) { return node.op_type == "Concat" || node.op_type == "MaxPool"; }

/// Nodes that read the quantised tensor, where there is one.
bool reads_quantised(const onnx::Node& node, const Names& kept) {
  return is_quantised_convolution(node, kept) || node.op_type == "Add" || node.op_type == "GlobalAveragePool" ||
         passes_on(node);
}

/// What a quantised tensor is called; `suffix` of its parts.
std::string part(const std::string& tensor, const char* suffix) { return tensor + suffix; }

struct Quantiser {
  onnx::Model& model;
  const std::map<std::string, Range>& ranges;
  std::vector<onnx::Node> nodes = {};

  float scale(const std::string& tensor) const {
    const Range& range = ranges.at(tensor);
    return std::max((range.high - range.low) / 255, 1e-12F);
  }

  /// The nodes after the one that computes the tensor.
  void quantise_tensor(const std::string& tensor) {
    const float step = scale(tensor), zero = std::clamp(std::round(-ranges.at(tensor).low / step), 0.0F, 255.0F);
    const std::string step_name = part(tensor, ".scale"), zero_name = part(tensor, ".zero"),
                      whole = part(tensor, ".uint8"), back = part(tensor, ".dequantised");
    model.initializers.push_back({step_name, {}, std::vector<float>{step}});
    model.initializers.push_back({zero_name, {}, std::vector<std::uint8_t>{static_cast<std::uint8_t>(zero)}});
    nodes.push_back({"QuantizeLinear", whole, {tensor, step_name, zero_name}, {whole}, {}});
    nodes.push_back({"DequantizeLinear", back, {whole, step_name, zero_name}, {back}, {}});
  }

  const std::vector<float>& floats(const onnx::Node& convolution, std::size_t input) const {
    const auto* found = onnx::find_initializer(model, convolution.inputs[input]);
    if (!found || !std::holds_alternative<std::vector<float>>(found->data))
      throw Error(fmt::format("{} cannot be quantised: its weights are not stored as floats", convolution.name));
    return std::get<std::vector<float>>(found->data);
  }

  /// A stored tensor becomes whole numbers, a scale for each entry of its first dimension, and a node that multiplies them.
  template <class Whole>
  void store(const std::string& name, const char* suffix, std::vector<Whole> whole, std::vector<float> scales) {
    auto& stored = *onnx::find_initializer(model, name);
    stored.name = part(name, suffix);
    stored.data = std::move(whole);
    const auto channels = static_cast<std::int64_t>(scales.size());
    model.initializers.push_back({part(name, ".scale"), {channels}, std::move(scales)});
    nodes.push_back(
        {"DequantizeLinear", name, {part(name, suffix), part(name, ".scale")}, {name}, {{"axis", std::int64_t{0}}}});
  }

  void quantise_weights(const onnx::Node& convolution) {
    const std::vector<float>& kernel = floats(convolution, 1);
    const auto channels = static_cast<std::size_t>(onnx::find_initializer(model, convolution.inputs[1])->shape.front());
    const std::size_t length = kernel.size() / channels;
    const bool biased = convolution.inputs.size() > 2;
    std::vector<std::int8_t> whole(kernel.size());
    std::vector<float> scales(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      const std::span weights(kernel.data() + c * length, length);
      float largest = 0;
      for (const float weight : weights) largest = std::max(largest, std::abs(weight));
      scales[c] = largest > 0 ? largest / largest_weight : 1;
      // The kernel of a channel that is nearly dead would leave no room for its bias, which has the same scale.
      if (biased)
        scales[c] = std::max(scales[c], std::abs(floats(convolution, 2)[c]) / (1e9F * scale(convolution.inputs[0])));
      std::ranges::transform(weights, whole.begin() + static_cast<std::ptrdiff_t>(c * length), [&](float weight) {
        return static_cast<std::int8_t>(
            std::clamp<long>(std::lround(weight / scales[c]), -largest_weight, largest_weight));
      });
    }
    if (biased) quantise_bias(convolution, scales);
    store(convolution.inputs[1], ".int8", std::move(whole), std::move(scales));
  }

  /// In units of the products that it is added to.
  void quantise_bias(const onnx::Node& convolution, std::vector<float> scales) {
    const std::vector<float>& bias = floats(convolution, 2);
    std::vector<std::int32_t> whole;
    for (std::size_t c = 0; c < bias.size(); ++c) {
      scales[c] *= scale(convolution.inputs[0]);
      whole.push_back(static_cast<std::int32_t>(std::round(bias[c] / scales[c])));
    }
    store(convolution.inputs[2], ".int32", std::move(whole), std::move(scales));
  }
};

/// Tensors that are joined or passed on become as wide as the widest of them.
void share_ranges(const onnx::Model& model, std::map<std::string, Range>& ranges) {
  for (auto node = model.nodes.rbegin(); node != model.nodes.rend(); ++node) {
    const auto whole = ranges.find(node->outputs.front());
    if (!passes_on(*node) || whole == ranges.end()) continue;
    Range shared = whole->second;
    for (const auto& input : node->inputs) {
      shared.low = std::min(shared.low, ranges.at(input).low);
      shared.high = std::max(shared.high, ranges.at(input).high);
    }
    whole->second = shared;
    for (const auto& input : node->inputs) ranges.at(input) = shared;
  }
}

}  // namespace

std::vector<std::string> tensors_to_quantise(const onnx::Model& model, const Names& kept) {
  Names tensors;
  // From the end, since what is passed on to a quantised tensor is quantised too.
  for (auto node = model.nodes.rbegin(); node != model.nodes.rend(); ++node) {
    if (is_quantised_convolution(*node, kept)) tensors.insert(node->inputs.front());
    const bool joins = passes_on(*node) && tensors.contains(node->outputs.front());
    if (!joins && node->op_type != "Add") continue;
    for (const auto& input : node->inputs) {
      if (joins || !is_kept(model, input, kept)) tensors.insert(input);
    }
  }
  std::vector<std::string> ordered;
  for (const auto& input : model.inputs) {
    if (tensors.contains(input.name)) ordered.push_back(input.name);
  }
  for (const auto& node : model.nodes) {
    if (tensors.contains(node.outputs.front())) ordered.push_back(node.outputs.front());
  }
  return ordered;
}

onnx::Model quantise(onnx::Model model, std::map<std::string, Range> ranges, const Names& kept) {
  const auto tensors = tensors_to_quantise(model, kept);
  for (const auto& tensor : tensors) {
    if (!ranges.contains(tensor)) throw Error(fmt::format("the tensor {} cannot be quantised without a range", tensor));
  }
  share_ranges(model, ranges);
  const Names quantised(tensors.begin(), tensors.end());
  Quantiser quantiser{model, ranges};
  for (const auto& input : model.inputs) {
    if (quantised.contains(input.name)) quantiser.quantise_tensor(input.name);
  }
  for (const onnx::Node& original : std::vector(model.nodes)) {
    onnx::Node node = original;
    if (is_quantised_convolution(node, kept)) quantiser.quantise_weights(node);
    for (auto& input : node.inputs) {
      if (reads_quantised(node, kept) && quantised.contains(input)) input = part(input, ".dequantised");
    }
    const std::string output = node.outputs.front();
    quantiser.nodes.push_back(std::move(node));
    if (quantised.contains(output)) quantiser.quantise_tensor(output);
  }
  model.nodes = std::move(quantiser.nodes);
  return model;
}

}  // namespace pulmoseg::quantization
