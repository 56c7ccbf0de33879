#include "pulmoseg/onnx/quantised_activations.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace pulmoseg::onnx {

Model without_quantised_activations(Model model) {
  std::unordered_map<std::string, std::string> source;  // of each tensor that is left out
  std::vector<Node> nodes;
  std::set<std::string> unused;
  for (Node& node : model.nodes) {
    const auto before = source.find(node.inputs.empty() ? "" : node.inputs.front());
    const bool quantises = node.op_type == "QuantizeLinear",
               returns = node.op_type == "DequantizeLinear" && before != source.end();
    if (quantises || returns) {
      source[node.outputs.front()] = returns ? before->second : node.inputs.front();
      unused.insert(node.inputs.begin() + 1, node.inputs.end());
      continue;
    }
    for (auto& input : node.inputs) {
      if (const auto left_out = source.find(input); left_out != source.end()) input = left_out->second;
    }
    nodes.push_back(std::move(node));
  }
  model.nodes = std::move(nodes);
  std::erase_if(model.initializers, [&](const Initializer& each) { return unused.contains(each.name); });
  return model;
}

}  // namespace pulmoseg::onnx
