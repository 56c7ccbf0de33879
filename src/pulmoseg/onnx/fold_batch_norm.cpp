#include "pulmoseg/onnx/fold_batch_norm.hpp"

#include <algorithm>
#include <cmath>

#include "pulmoseg/onnx/graph.hpp"

namespace pulmoseg::onnx {
namespace {

using Floats = std::vector<float>;

Floats* floats(Model& model, const std::string& name) {
  Initializer* found = find_initializer(model, name);
  return found ? std::get_if<Floats>(&found->data) : nullptr;
}

/// y = (x - mean) / sqrt(variance + epsilon) * scale + shift, as factor and summand of each channel.
struct Affine {
  std::vector<double> factor, summand;
};

Affine affine_of(Model& model, const Node& norm) {
  const Floats &scale = *floats(model, norm.inputs[1]), &shift = *floats(model, norm.inputs[2]),
               &mean = *floats(model, norm.inputs[3]), &variance = *floats(model, norm.inputs[4]);
  const double epsilon = attribute_or<float>(norm, "epsilon", 1e-5F);
  Affine affine;
  for (std::size_t c = 0; c < scale.size(); ++c) {
    affine.factor.push_back(scale[c] / std::sqrt(variance[c] + epsilon));
    affine.summand.push_back(shift[c] - mean[c] * affine.factor.back());
  }
  return affine;
}

void apply(Model& model, Node& convolution, const Affine& affine) {
  Floats& kernel = *floats(model, convolution.inputs[1]);
  const std::size_t channels = affine.factor.size(), length = kernel.size() / channels;
  const Floats* old_bias = convolution.inputs.size() > 2 ? floats(model, convolution.inputs[2]) : nullptr;
  Floats bias(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const auto first = kernel.begin() + static_cast<std::ptrdiff_t>(c * length);
    std::transform(first, first + static_cast<std::ptrdiff_t>(length), first,
                   [&](float weight) { return static_cast<float>(weight * affine.factor[c]); });
    bias[c] = static_cast<float>((old_bias ? (*old_bias)[c] * affine.factor[c] : 0) + affine.summand[c]);
  }
  const std::string name = convolution.name + ".bias";
  std::erase_if(model.initializers, [&](const Initializer& each) { return each.name == name; });
  model.initializers.push_back({name, {static_cast<std::int64_t>(channels)}, std::move(bias)});
  convolution.inputs.resize(2);
  convolution.inputs.push_back(name);
}

/// The convolution among `nodes` that a BatchNormalization can become part of; null when there is none.
Node* find_convolution(std::vector<Node>& nodes, Model& model, const Node& norm) {
  if (norm.op_type != "BatchNormalization" || norm.inputs.size() != 5) return nullptr;
  const auto found = std::ranges::find(nodes, norm.inputs[0], [](const Node& node) { return node.outputs.front(); });
  if (found == nodes.end() || found->op_type != "Conv" || count_consumers(model, norm.inputs[0]) != 1) return nullptr;
  const auto is_float = [&](const std::string& name) { return floats(model, name) != nullptr; };
  const bool known =
      is_float(found->inputs[1]) && std::ranges::all_of(norm.inputs.begin() + 1, norm.inputs.end(), is_float);
  return known ? &*found : nullptr;
}

}  // namespace

Model fold_batch_norm(Model model) {
  std::vector<Node> nodes;
  for (const Node& node : model.nodes) {
    Node* const before = find_convolution(nodes, model, node);
    if (!before) {
      nodes.push_back(node);
      continue;
    }
    apply(model, *before, affine_of(model, node));
    before->outputs = node.outputs;
    std::erase_if(model.initializers,
                  [&](const Initializer& each) { return std::ranges::count(node.inputs, each.name) > 0; });
  }
  model.nodes = std::move(nodes);
  return model;
}

}  // namespace pulmoseg::onnx
