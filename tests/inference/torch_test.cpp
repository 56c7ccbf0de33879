// The network as LibTorch computes it and as the engine computes its ONNX file: the same logits, the same masks.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <array>
#include <span>

#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/model/export_onnx.hpp"
#include "pulmoseg/model/state_dict.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/onnx/model.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

/// Fresh weights, with BatchNorm statistics that are not those of a fresh network, and half of the pixels lesion.
model::DeepLabV3 make_network(const torch::Tensor& images) {
  torch::manual_seed(3);
  model::DeepLabV3 network;
  const torch::NoGradGuard no_gradients;
  for (auto& [name, buffer] : network->named_buffers().pairs()) {
    if (name.ends_with("running_mean")) buffer.uniform_(-0.3, 0.3);
    if (name.ends_with("running_var")) buffer.uniform_(0.5, 1.5);
  }
  for (auto& [name, parameter] : network->named_parameters().pairs()) {
    if (parameter.dim() == 1) parameter.add_(torch::empty_like(parameter).uniform_(-0.2, 0.2));
  }
  network->eval();
  auto logits = network->forward(images);
  network->named_parameters()["classifier.4.bias"][1] -= (logits.select(1, 1) - logits.select(1, 0)).median();
  return network;
}

torch::Tensor some_images() { return torch::rand({3, 1, 96, 128}, torch::make_generator<torch::CPUGeneratorImpl>(5)); }

void write(const model::DeepLabV3& network, const std::filesystem::path& file, model::KernelFormat kernels) {
  auto metadata = dataset::Preprocessing{.size = 96}.to_metadata();
  metadata["pulmoseg.classes"] = "background,lesion";
  onnx::write(model::to_onnx(network, metadata, kernels), file);
}

/// Logits and masks of the file, by the engine, are those of the network, by LibTorch.
void expect_same(const std::filesystem::path& file, model::DeepLabV3 network) {
  const torch::NoGradGuard no_gradients;
  const auto images = some_images();
  const auto expected = network->forward(images).contiguous();
  inference::Engine engine(file);
  auto logits = engine.run(std::span(images.data_ptr<float>(), static_cast<std::size_t>(images.numel())), 3, 96, 128);
  const auto found = torch::from_blob(logits.data(), expected.sizes());

  EXPECT_GT(expected.std().item<double>(), 0.01) << "all logits are alike";
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-3);
  const auto truth = expected.argmax(1), mask = found.argmax(1);
  const double share = truth.to(torch::kFloat64).mean().item<double>();
  EXPECT_GT(share, 0.05);
  EXPECT_LT(share, 0.95);
  const double both = (truth * mask).sum().item<double>();
  EXPECT_GE(2 * both / (truth.sum().item<double>() + mask.sum().item<double>()), 0.999);
}

TEST(EngineAgainstTorch, GivesTheSameLogitsAndMasks) {
  const test::TemporaryFolder folder;
  auto network = make_network(some_images());
  write(network, folder / "model.onnx", model::KernelFormat::float32);
  expect_same(folder / "model.onnx", network);
}

TEST(EngineAgainstTorch, AlsoOfKernelsInWholeNumbers) {
  const test::TemporaryFolder folder;
  auto network = make_network(some_images());
  write(network, folder / "model.onnx", model::KernelFormat::int8);
  model::load_state_dict(*network, model::read_weights(folder / "model.onnx"), "model.onnx");  // rounded
  expect_same(folder / "model.onnx", network);
}

}  // namespace
}  // namespace pulmoseg
