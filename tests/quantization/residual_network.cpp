#include "residual_network.hpp"

#include <random>

#include "../inference/tiny_network.hpp"

namespace pulmoseg::test {
namespace {

using Integers = std::vector<std::int64_t>;

class Builder {
 public:
  void weights(const std::string& name, Integers shape, float low = -1, float high = 1) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; ++i)
      values.push_back(low + (high - low) * static_cast<float>(random_() % 1000) / 1000);
    model.initializers.push_back({name, std::move(shape), std::move(values)});
  }
  void node(const std::string& type, std::vector<std::string> inputs, const std::string& output,
            std::vector<onnx::Attribute> attributes = {}) {
    model.nodes.push_back({type, output, std::move(inputs), {output}, std::move(attributes)});
  }
  void convolution(const std::string& name, const std::string& input, std::int64_t in, std::int64_t out,
                   std::int64_t size) {
    weights(name + ".weight", {out, in, size, size});
    node("Conv", {input, name + ".weight"}, name,
         {{"kernel_shape", Integers(2, size)}, {"pads", Integers(4, size / 2)}});
  }
  void norm(const std::string& name, const std::string& input, std::int64_t channels) {
    weights(name + ".weight", {channels}, 0.5, 2);
    weights(name + ".bias", {channels});
    weights(name + ".mean", {channels});
    weights(name + ".var", {channels}, 0.5, 2);
    node("BatchNormalization", {input, name + ".weight", name + ".bias", name + ".mean", name + ".var"}, name,
         {{"epsilon", 1e-3F}});
  }

  onnx::Model model = threshold_network();

 private:
  std::minstd_rand random_{7};
};

}  // namespace

onnx::Model residual_network() {
  Builder graph;
  graph.model.nodes.clear();
  graph.model.initializers.clear();
  graph.convolution("a", "image", 1, 4, 3);
  graph.norm("bn_a", "a", 4);
  graph.node("Relu", {"bn_a"}, "r");
  graph.convolution("b", "r", 4, 4, 3);
  graph.norm("bn_b", "b", 4);
  graph.node("Add", {"bn_b", "r"}, "sum");
  graph.node("Relu", {"sum"}, "s");
  graph.node("MaxPool", {"s"}, "m", {{"kernel_shape", Integers{3, 3}}, {"pads", Integers{1, 1, 1, 1}}});
  graph.node("Concat", {"s", "m"}, "both", {{"axis", std::int64_t{1}}});
  graph.weights("logits.weight", {2, 8, 1, 1});
  graph.weights("logits.bias", {2});
  graph.node("Conv", {"both", "logits.weight", "logits.bias"}, "logits");
  return std::move(graph.model);
}

onnx::Model network_with_an_outlier() {
  Builder graph;
  graph.model.nodes.clear();
  graph.model.initializers = {{.name = "wide.weight", .shape = {2, 1, 1, 1}, .data = std::vector<float>{1, 2000}},
                              {.name = "logits.weight", .shape = {2, 2, 1, 1}, .data = std::vector<float>{0, 0, 1, 0}},
                              {.name = "logits.bias", .shape = {2}, .data = std::vector<float>{0, -0.5}}};
  graph.node("Conv", {"image", "wide.weight"}, "wide");
  graph.node("Relu", {"wide"}, "r");
  graph.node("Conv", {"r", "logits.weight", "logits.bias"}, "logits");
  return std::move(graph.model);
}

}  // namespace pulmoseg::test
