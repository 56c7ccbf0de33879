// The decomposition against LibTorch's own convolution.

#include "pulmoseg/model/dilated_convolution.hpp"

#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/functional/upsampling.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/optim/adam.h>
#include <torch/utils.h>

#include <functional>
#include <vector>

#include "convolution_oracle.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

using test::difference;

void expect_equal(const Tensor& images, const Tensor& weight, std::int64_t rate) {
  const auto ours = [rate](const Tensor& x, const Tensor& w) { return dilated_convolution(x, w, rate); };
  test::expect_plain_convolution(ours, images, weight, rate, 1e-11);
}

TEST(DilatedConvolution, EqualsThePlainOneInDoubleOnEveryGridAndRate) {
  torch::manual_seed(1);
  const Tensor weight = torch::randn({3, 2, 3, 3}, torch::kDouble);
  for (std::int64_t grid = 8; grid <= 65; ++grid) {
    const Tensor images = torch::randn({2, 2, grid, 73 - grid}, torch::kDouble);
    for (std::int64_t rate = 1; rate <= 48; ++rate) {
      expect_equal(rate % 2 ? images : images.contiguous(torch::MemoryFormat::ChannelsLast), weight, rate);
    }
  }
}

TEST(DilatedConvolution, TakesBothMemoryFormatsOfTheWeight) {
  torch::manual_seed(2);
  const Tensor weight = torch::randn({4, 8, 3, 3}, torch::kDouble),
               images = torch::randn({2, 8, 32, 32}, torch::kDouble);
  for (const std::int64_t rate : {12, 24, 36}) {
    for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
      expect_equal(images.contiguous(format), weight, rate);
      expect_equal(images, weight.contiguous(format), rate);
      expect_equal(images.contiguous(format), weight.contiguous(format), rate);
    }
  }
}

TEST(DilatedConvolution, HasTheSlopeThatDifferencesShow) {
  torch::manual_seed(3);
  const Tensor images = torch::randn({1, 2, 5, 6}, torch::kDouble);
  const Tensor weight = torch::randn({2, 2, 3, 3}, torch::kDouble).requires_grad_();
  const auto value = [&](const Tensor& w) { return dilated_convolution(images, w, 3).sin().sum(); };
  value(weight).backward();
  constexpr double step = 1e-6;
  const torch::NoGradGuard no_gradients;
  for (std::int64_t i = 0; i < weight.numel(); ++i) {
    const Tensor up = weight.clone(), down = weight.clone();
    up.view(-1)[i] += step;
    down.view(-1)[i] -= step;
    const double slope = (value(up) - value(down)).item<double>() / (2 * step);
    EXPECT_NEAR(weight.grad().reshape(-1)[i].item<double>(), slope, 1e-6);
  }
}

/// Losses of 50 steps of a small pyramid: a convolution, three dilated ones side by side, a 1x1.
std::vector<double> losses_of_training(
    const std::function<Tensor(const Tensor&, const Tensor&, std::int64_t)>& dilated) {
  namespace nn = torch::nn;
  torch::manual_seed(4);
  nn::Conv2d stem(nn::Conv2dOptions(1, 16, 7).stride(2).padding(3)), logits(nn::Conv2dOptions(48, 2, 1));
  std::vector<Tensor> weights, parameters;
  std::vector<nn::BatchNorm2d> norms;
  for (int i = 0; i < 3; ++i) {
    weights.push_back((torch::randn({16, 16, 3, 3}) / 12).requires_grad_());
    norms.emplace_back(16);
  }
  for (const auto& module : std::vector<std::shared_ptr<nn::Module>>{stem.ptr(), logits.ptr(), norms[0].ptr(),
                                                                     norms[1].ptr(), norms[2].ptr()}) {
    for (const Tensor& parameter : module->parameters()) parameters.push_back(parameter);
  }
  parameters.insert(parameters.end(), weights.begin(), weights.end());
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(1e-3));
  std::vector<double> losses;
  for (int step = 0; step < 50; ++step) {
    const Tensor targets =
        torch::nn::functional::interpolate(
            torch::rand({4, 1, 4, 4}), nn::functional::InterpolateFuncOptions().scale_factor(std::vector<double>{8, 8}))
            .squeeze(1)
            .gt(0.7)
            .to(torch::kInt64);
    const Tensor images =
        nn::functional::interpolate(targets.to(torch::kFloat32).unsqueeze(1),
                                    nn::functional::InterpolateFuncOptions().scale_factor(std::vector<double>{2, 2}));
    const Tensor features = stem(images + 0.3 * torch::randn_like(images)).relu();
    std::vector<Tensor> branches;
    for (std::size_t i = 0; i < 3; ++i)
      branches.push_back(norms[i](dilated(features, weights[i], 12 * (static_cast<std::int64_t>(i) + 1))).relu());
    const Tensor loss = nn::functional::cross_entropy(logits(torch::cat(branches, 1)), targets);
    adam.zero_grad();
    loss.backward();
    adam.step();
    losses.push_back(loss.item<double>());
  }
  return losses;
}

TEST(DilatedConvolution, TrainsToTheSameLossesAsThePlainOne) {
  const auto ours = losses_of_training(dilated_convolution);
  const auto plain = losses_of_training(
      [](const Tensor& x, const Tensor& w, std::int64_t rate) { return torch::conv2d(x, w, {}, 1, rate, rate); });
  for (std::size_t step = 0; step < 50; ++step) EXPECT_NEAR(ours[step], plain[step], 1e-4) << "step " << step;
  EXPECT_LT(ours.back(), 0.5 * ours.front());
}

TEST(DilatedConvolution, ComputesInTheAutocastFormat) {
  const Tensor images = torch::randn({2, 16, 32, 32}), weight = torch::randn({8, 16, 3, 3}).requires_grad_();
  Tensor output;
  test::under_bfloat16([&] { output = dilated_convolution(images, weight, 24); });
  EXPECT_EQ(output.scalar_type(), torch::kBFloat16);
  output.to(torch::kFloat32).sum().backward();
  EXPECT_EQ(weight.grad().scalar_type(), torch::kFloat32);
  const Tensor plain = torch::conv2d(images, weight, {}, 1, 24, 24);
  EXPECT_LT(difference(output.to(torch::kFloat32), plain) / plain.abs().max().item<double>(), 0.02);
}

TEST(DilatedConvolution, RefusesOtherShapes) {
  const Tensor images = torch::zeros({1, 2, 8, 8});
  EXPECT_THROW(dilated_convolution(images, torch::zeros({3, 2, 5, 5}), 2), c10::Error);
  EXPECT_THROW(dilated_convolution(images, torch::zeros({3, 4, 3, 3}), 2), c10::Error);
  EXPECT_THROW(dilated_convolution(images, torch::zeros({3, 2, 3, 3}), 0), c10::Error);
}

}  // namespace
}  // namespace pulmoseg::model
