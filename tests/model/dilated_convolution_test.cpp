// The decomposition against LibTorch's own convolution.

#include "pulmoseg/model/dilated_convolution.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

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
