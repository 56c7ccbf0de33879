// The fused BatchNorm, addition and ReLU against LibTorch's three.

#include "pulmoseg/model/batch_norm.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/utils.h>

namespace pulmoseg::model {
namespace {

using torch::Tensor;

BatchNorm layer(std::int64_t channels) {
  BatchNorm norm(channels);
  const torch::NoGradGuard no_gradients;
  norm->weight.uniform_(0.5, 1.5);
  norm->bias.uniform_(-0.5, 0.5);
  return norm;
}

BatchNorm copy_of(const BatchNorm& norm) {
  BatchNorm copy(norm->options);
  const torch::NoGradGuard no_gradients;
  copy->weight.copy_(norm->weight);
  copy->bias.copy_(norm->bias);
  copy->running_mean.copy_(norm->running_mean);
  copy->running_var.copy_(norm->running_var);
  return copy;
}

Tensor channels_last(const Tensor& images) { return images.contiguous(torch::MemoryFormat::ChannelsLast); }

double difference(const Tensor& a, const Tensor& b) {
  return (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>();
}

/// Everything that a training step takes from the layer: output, gradients, running statistics.
std::vector<Tensor> step(bool fused, const BatchNorm& original, const Tensor& input, const Tensor& addend) {
  BatchNorm norm = copy_of(original);
  norm->train(original->is_training());
  const Tensor x = input.detach().clone().requires_grad_();
  const Tensor a = addend.defined() ? addend.detach().clone().requires_grad_() : Tensor();
  Tensor output;
  if (fused) {
    output = batch_norm_relu(*norm, x, a);
  } else {
    const Tensor normalised = norm->forward(x);
    output = (a.defined() ? normalised + a : normalised).relu();
  }
  output.backward(torch::arange(output.numel(), torch::kDouble).sin().view(output.sizes()).to(output.scalar_type()));
  std::vector<Tensor> found{output.detach(),    x.grad(),          norm->weight.grad(),      norm->bias.grad(),
                            norm->running_mean, norm->running_var, norm->num_batches_tracked};
  if (a.defined()) found.push_back(a.grad());
  return found;
}

void expect_equal(const std::vector<Tensor>& found, const std::vector<Tensor>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(difference(found[i], expected[i]), tolerance * (1 + expected[i].abs().max().item<double>()))
        << "tensor " << i;
  }
}

TEST(BatchNormRelu, EqualsTheThreeOperations) {
  torch::manual_seed(1);
  for (const std::int64_t channels : {1, 3, 64, 257}) {
    for (const std::int64_t size : {1, 7, 33}) {
      auto norm = layer(channels);
      const Tensor input = channels_last(torch::randn({3, channels, size, size + 1}) * 2 + 1);
      const Tensor addend = channels_last(torch::randn_like(input));
      expect_equal(step(true, norm, input, {}), step(false, norm, input, {}), 2e-5);
      expect_equal(step(true, norm, input, addend), step(false, norm, input, addend), 2e-5);
    }
  }
}

TEST(BatchNormRelu, KeepsItsPrecisionFarFromZero) {
  torch::manual_seed(2);
  auto norm = layer(16);
  auto precise = copy_of(norm);
  precise->to(torch::kDouble);
  const Tensor input = channels_last(torch::randn({4, 16, 64, 64}) + 1000);
  EXPECT_LT(difference(batch_norm_relu(*norm, input), precise->forward(input.to(torch::kDouble)).relu()), 1e-3);
}

TEST(BatchNormRelu, EqualsTheThreeOperationsInBfloat16) {
  torch::manual_seed(3);
  auto norm = layer(64);
  const Tensor input = channels_last((torch::randn({2, 64, 17, 17}) * 2 + 1).to(torch::kBFloat16));
  const Tensor addend = channels_last(torch::randn({2, 64, 17, 17}).to(torch::kBFloat16));
  // The three operations round in between, so they are the ones that are computed in 32-bit here.
  const auto expected = step(false, norm, input.to(torch::kFloat32), addend.to(torch::kFloat32));
  const auto found = step(true, norm, input, addend);
  EXPECT_EQ(found[0].scalar_type(), torch::kBFloat16);
  expect_equal(found, expected, 0.006);
}

TEST(BatchNormRelu, GivesTheSameBytesWithAnyNumberOfThreads) {
  torch::manual_seed(4);
  auto norm = layer(48);
  const Tensor input = channels_last(torch::randn({4, 48, 50, 50}));
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = step(true, norm, input, {});
  at::set_num_threads(2);
  const auto two = step(true, norm, input, {});
  at::set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], two[i])) << "tensor " << i;
}

TEST(BatchNormRelu, KeepsNotANumber) {
  const Tensor input = channels_last(torch::full({2, 3, 4, 4}, NAN));
  EXPECT_TRUE(batch_norm_relu(*layer(3), input).isnan().all().item<bool>());
  EXPECT_TRUE(batch_norm_relu(*layer(3), input.to(torch::kBFloat16)).isnan().all().item<bool>());
}

TEST(BatchNormRelu, FrozenItTrainsWithItsRunningStatistics) {
  torch::manual_seed(5);
  torch::nn::Sequential network(layer(24));
  auto norm = std::dynamic_pointer_cast<BatchNormImpl>(network[0]);
  norm->running_mean.uniform_(-1, 1);
  norm->running_var.uniform_(0.5, 2);
  freeze_batch_norm(*network);
  EXPECT_FALSE(norm->is_training());
  const Tensor input = channels_last(torch::randn({2, 24, 9, 9}));
  const Tensor addend = channels_last(torch::randn_like(input));
  for (const Tensor& added : {Tensor(), addend}) {
    const auto found = step(true, norm, input, added);
    expect_equal(found, step(false, norm, input, added), 2e-5);
    EXPECT_TRUE(torch::equal(found[4], norm->running_mean));
    EXPECT_EQ(found[6].item<std::int64_t>(), 0);
  }
  network->train();
  EXPECT_TRUE(norm->is_training());
}

}  // namespace
}  // namespace pulmoseg::model
