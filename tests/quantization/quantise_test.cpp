// Networks in 8 bits beside themselves in floats, both run by OpenVINO.

#include "pulmoseg/quantization/quantise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/inference/tensor_probe.hpp"
#include "pulmoseg/onnx/fold_batch_norm.hpp"
#include "pulmoseg/onnx/graph.hpp"
#include "pulmoseg/onnx/quantised_activations.hpp"
#include "residual_network.hpp"

namespace pulmoseg::quantization {
namespace {

using test::residual_network;

constexpr std::int64_t size = 32;

std::vector<float> picture() {
  std::vector<float> image(size * size);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i * 7919 % 1009) / 1009;
  return image;
}

std::vector<float> logits(onnx::Model model, const char* precision = "fp32") {
  if (std::string(precision) == "int8") model.metadata["pulmoseg.precision"] = "int8";
  return inference::Engine(model, "tiny.onnx", {.precision = precision}).run(picture(), 1, size, size);
}

std::map<std::string, Range> ranges_of(const onnx::Model& model, const std::set<std::string>& kept = {}) {
  const auto tensors = tensors_to_quantise(model, kept);
  inference::TensorProbe probe(model, "tiny.onnx", tensors, size, size);
  std::map<std::string, Range> ranges;
  probe.run(picture(), [&](std::size_t i, std::span<const float> values) {
    Histogram histogram;
    histogram.add(values);
    ranges[tensors[i]] = histogram.extremes();
  });
  return ranges;
}

double largest_difference(const std::vector<float>& one, const std::vector<float>& other) {
  EXPECT_EQ(one.size(), other.size());
  double largest = 0;
  for (std::size_t i = 0; i < one.size(); ++i) largest = std::max<double>(largest, std::abs(one[i] - other[i]));
  return largest;
}

double spread(const std::vector<float>& values) {
  const auto [low, high] = std::ranges::minmax(values);
  return high - low;
}

std::ptrdiff_t count(const onnx::Model& model, const std::string& type) {
  return std::ranges::count(model.nodes, type, &onnx::Node::op_type);
}

const onnx::Initializer& stored(onnx::Model& model, const std::string& name) {
  return *onnx::find_initializer(model, name);
}

TEST(FoldBatchNorm, GivesTheSameLogits) {
  const onnx::Model folded = onnx::fold_batch_norm(residual_network());
  EXPECT_EQ(count(folded, "BatchNormalization"), 0);
  EXPECT_EQ(onnx::producer(folded, "bn_b")->op_type, "Conv");
  const auto before = logits(residual_network()), after = logits(folded);
  EXPECT_LT(largest_difference(before, after), 1e-5 * spread(before));
}

TEST(FoldBatchNorm, LeavesOneWhoseConvolutionIsReadElsewhere) {
  onnx::Model model = residual_network();
  for (auto& node : model.nodes) {
    if (node.op_type == "Add") node.inputs[1] = "b";
  }
  EXPECT_EQ(count(onnx::fold_batch_norm(model), "BatchNormalization"), 1);
}

TEST(Quantise, KnowsWhatHasToBeQuantised) {
  EXPECT_EQ(tensors_to_quantise(residual_network()),
            (std::vector<std::string>{"image", "r", "bn_b", "s", "m", "both"}));
  EXPECT_EQ(tensors_to_quantise(residual_network(), {"b"}), (std::vector<std::string>{"image", "r", "s", "m", "both"}))
      << "what b gives stays in floats; its input is added, too";
  EXPECT_EQ(tensors_to_quantise(residual_network(), {"a", "logits"}), (std::vector<std::string>{"r", "bn_b"}));
}

TEST(Quantise, ComputesNearlyTheSame) {
  const auto exact = logits(residual_network());
  for (const bool folded : {true, false}) {
    const onnx::Model model = folded ? onnx::fold_batch_norm(residual_network()) : residual_network();
    const onnx::Model quantised = quantise(model, ranges_of(model));
    EXPECT_EQ(count(quantised, "QuantizeLinear"), 6);
    const auto found = logits(quantised, "int8");
    EXPECT_LT(largest_difference(exact, found), 0.03 * spread(exact)) << folded;
    EXPECT_GT(largest_difference(exact, found), 1e-4 * spread(exact)) << "nothing was quantised";
  }
}

TEST(Quantise, WeightsAreWholeAndAPairOfProductsFitsIn16Bits) {
  const onnx::Model model = onnx::fold_batch_norm(residual_network());
  onnx::Model quantised = quantise(model, ranges_of(model));
  for (const auto* name : {"a", "b", "logits"}) {
    const auto& whole = std::get<std::vector<std::int8_t>>(stored(quantised, std::string(name) + ".weight.int8").data);
    const auto [low, high] = std::ranges::minmax(whole);
    EXPECT_EQ(std::max(-low, +high), largest_weight) << name;
    EXPECT_LT(2 * 255 * std::max(-low, +high), 32768);
    EXPECT_TRUE(
        std::holds_alternative<std::vector<std::int32_t>>(stored(quantised, std::string(name) + ".bias.int32").data));
  }
}

TEST(Quantise, KeepsTheBiasOfANearlyDeadChannel) {
  onnx::Model model = residual_network();
  auto& kernel = std::get<std::vector<float>>(onnx::find_initializer(model, "logits.weight")->data);
  std::fill(kernel.begin() + 8, kernel.end(), 1e-12F);
  std::get<std::vector<float>>(onnx::find_initializer(model, "logits.bias")->data)[1] = 3;
  const auto exact = logits(model), found = logits(quantise(model, ranges_of(model)), "int8");
  EXPECT_LT(largest_difference(exact, found), 0.03 * spread(exact));
  EXPECT_NEAR(found.back(), 3, 1e-3);
}

TEST(Quantise, WhatIsJoinedSharesItsScale) {
  onnx::Model quantised = quantise(residual_network(), ranges_of(residual_network()));
  const auto scale = [&](const char* tensor) {
    return std::get<std::vector<float>>(stored(quantised, std::string(tensor) + ".scale").data).front();
  };
  EXPECT_EQ(scale("s"), scale("both"));
  EXPECT_EQ(scale("m"), scale("both"));
  EXPECT_NE(scale("r"), scale("both"));
}

TEST(Quantise, KeptConvolutionsStayAsTheyAre) {
  const std::set<std::string> kept{"a", "b", "logits"};
  const auto exact = logits(residual_network());
  onnx::Model quantised = quantise(residual_network(), ranges_of(residual_network(), kept), kept);
  onnx::Model original = residual_network();
  EXPECT_EQ(std::get<std::vector<float>>(stored(quantised, "b.weight").data),
            std::get<std::vector<float>>(stored(original, "b.weight").data));
  EXPECT_EQ(count(quantised, "QuantizeLinear"), 1) << "the shortcut r, which is added";
  EXPECT_LT(largest_difference(exact, logits(quantised, "int8")), 0.01 * spread(exact));
}

TEST(Quantise, TakesItsActivationsOutAgain) {
  onnx::Model quantised = quantise(residual_network(), ranges_of(residual_network()));
  const onnx::Model floats = onnx::without_quantised_activations(quantised);
  EXPECT_EQ(count(floats, "QuantizeLinear"), 0);
  EXPECT_EQ(count(floats, "DequantizeLinear"), count(quantised, "DequantizeLinear") - 6);
  // What is left of the difference is that of the kernels alone; the engine does it by itself for --precision fp32.
  quantised.metadata["pulmoseg.precision"] = "int8";
  EXPECT_EQ(logits(floats), inference::Engine(quantised, "tiny.onnx").run(picture(), 1, size, size));
  const auto exact = logits(residual_network());
  EXPECT_LT(largest_difference(exact, logits(floats)), 0.02 * spread(exact));
}

TEST(Quantise, MetadataAloneMakesNothing8Bits) {
  const onnx::Model floats =
      onnx::without_quantised_activations(quantise(residual_network(), ranges_of(residual_network())));
  EXPECT_EQ(logits(floats, "int8"), logits(floats));
}

TEST(Quantise, RefusesWhatIsQuantisedAlready) {
  const onnx::Model quantised = quantise(residual_network(), ranges_of(residual_network()));
  EXPECT_THROW(quantise(quantised, ranges_of(residual_network())), Error);
}

}  // namespace
}  // namespace pulmoseg::quantization
