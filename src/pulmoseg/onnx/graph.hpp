#pragma once
// Looking around in a graph.

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::onnx {

/// Null when there is none of this name.
inline Initializer* find_initializer(Model& model, const std::string& name) {
  const auto found = std::ranges::find(model.initializers, name, &Initializer::name);
  return found == model.initializers.end() ? nullptr : &*found;
}

/// The node that computes a tensor; null for inputs and initializers.
inline const Node* producer(const Model& model, const std::string& tensor) {
  const auto found =
      std::ranges::find_if(model.nodes, [&](const Node& node) { return std::ranges::count(node.outputs, tensor) > 0; });
  return found == model.nodes.end() ? nullptr : &*found;
}

/// How often nodes read a tensor.
inline std::ptrdiff_t count_consumers(const Model& model, const std::string& tensor) {
  std::ptrdiff_t count = 0;
  for (const Node& node : model.nodes) count += std::ranges::count(node.inputs, tensor);
  return count;
}

/// The attribute of that name and type, else `otherwise`.
template <class Value>
Value attribute_or(const Node& node, const std::string& name, Value otherwise) {
  const auto found = std::ranges::find(node.attributes, name, &Attribute::name);
  const auto* value = found == node.attributes.end() ? nullptr : std::get_if<Value>(&found->value);
  return value ? *value : std::move(otherwise);
}

}  // namespace pulmoseg::onnx
