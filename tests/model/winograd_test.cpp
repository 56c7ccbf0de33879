// The minimal filtering against LibTorch's own convolution.

#include "pulmoseg/model/winograd.hpp"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "convolution_oracle.hpp"

namespace pulmoseg::model {
namespace {

using test::difference;
using torch::Tensor;

constexpr auto contiguous = torch::MemoryFormat::Contiguous, channels_last = torch::MemoryFormat::ChannelsLast;

test::Convolve winograd(std::int64_t dilation) {
  return
      [dilation](const Tensor& images, const Tensor& weight) { return winograd_convolution(images, weight, dilation); };
}

TEST(Winograd, EqualsThePlainConvolutionInDoubleOnEveryGridAndDilation) {
  torch::manual_seed(1);
  const Tensor weight = torch::randn({3, 2, 3, 3}, torch::kDouble);
  for (std::int64_t grid = 1; grid <= 33; ++grid) {
    const Tensor images = torch::randn({2, 2, grid, 41 - grid}, torch::kDouble);
    for (std::int64_t dilation = 1; dilation <= 9; ++dilation) {
      test::expect_plain_convolution(winograd(dilation), images.contiguous(dilation % 2 ? contiguous : channels_last),
                                     weight, dilation, 1e-11);
    }
  }
}

TEST(Winograd, TakesBothMemoryFormatsOfTheWeight) {
  torch::manual_seed(2);
  const Tensor weight = torch::randn({4, 8, 3, 3}, torch::kDouble),
               images = torch::randn({2, 8, 16, 16}, torch::kDouble);
  for (const auto format : {contiguous, channels_last})
    test::expect_plain_convolution(winograd(2), images, weight.contiguous(format), 2, 1e-11);
}

/// How far `found` is from `exact`, relative to the size of its values.
double error_of(const Tensor& found, const Tensor& exact) {
  return ((found.to(torch::kDouble) - exact).norm() / exact.norm()).item<double>();
}

/// Rounding errors of ours and of LibTorch's convolution in a number format, both against float64, are of one size.
void expect_rounding_like_the_plain_convolution(torch::ScalarType type, double factor) {
  torch::manual_seed(3);
  const Tensor images = torch::randn({2, 256, 16, 16}), weight = torch::randn({256, 256, 3, 3}) / 48;
  const auto exact = test::answer_of(test::plain_convolution(2), images.to(torch::kDouble), weight.to(torch::kDouble));
  const auto in_format = [type](const test::Convolve& convolve) -> test::Convolve {
    return [=](const Tensor& x, const Tensor& w) { return convolve(x.to(type), w); };
  };
  const auto plain = test::answer_of(
      in_format([&](const Tensor& x, const Tensor& w) { return test::plain_convolution(2)(x, w.to(type)); }), images,
      weight);
  const auto ours = test::answer_of(in_format(winograd(2)), images, weight);
  EXPECT_LT(error_of(ours.output, exact.output), factor * error_of(plain.output, exact.output));
  EXPECT_LT(error_of(ours.images_gradient, exact.images_gradient),
            factor * error_of(plain.images_gradient, exact.images_gradient));
  EXPECT_LT(error_of(ours.weight_gradient, exact.weight_gradient),
            factor * error_of(plain.weight_gradient, exact.weight_gradient));
}

TEST(Winograd, RoundsLikeThePlainConvolutionInFloat32) {
  expect_rounding_like_the_plain_convolution(torch::kFloat32, 4);
}

TEST(Winograd, RoundsLikeThePlainConvolutionInBfloat16) {
  expect_rounding_like_the_plain_convolution(torch::kBFloat16, 4);
}

TEST(Winograd, ComputesInTheAutocastFormat) {
  const Tensor images = torch::randn({2, 16, 32, 32}), weight = torch::randn({8, 16, 3, 3}).requires_grad_();
  Tensor output;
  test::under_bfloat16([&] { output = winograd_convolution(images, weight, 2); });
  EXPECT_EQ(output.scalar_type(), torch::kBFloat16);
  output.to(torch::kFloat32).sum().backward();
  EXPECT_EQ(weight.grad().scalar_type(), torch::kFloat32);
  EXPECT_LT(error_of(output, torch::conv2d(images, weight, {}, 1, 2, 2).to(torch::kDouble)), 0.01);
}

TEST(Winograd, RefusesOtherShapesAndFormats) {
  const Tensor images = torch::zeros({1, 2, 8, 8});
  EXPECT_THROW(winograd_convolution(images, torch::zeros({3, 2, 5, 5}), 2), c10::Error);
  EXPECT_THROW(winograd_convolution(images, torch::zeros({3, 4, 3, 3}), 2), c10::Error);
  EXPECT_THROW(winograd_convolution(images, torch::zeros({3, 2, 3, 3}), 0), c10::Error);
  EXPECT_THROW(winograd_convolution(images, torch::zeros({3, 2, 3, 3}, torch::kDouble), 1), c10::Error);
  EXPECT_THROW(winograd_convolution(images.to(torch::kInt32), torch::zeros({3, 2, 3, 3}), 1), c10::Error);
}

}  // namespace
}  // namespace pulmoseg::model
