// Which way a layer goes must not show in its numbers.

#include "pulmoseg/model/convolution.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/conv.h>
#include <torch/utils.h>

#include "convolution_oracle.hpp"
#include "pulmoseg/model/pointwise_convolution.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

TEST(PointwiseConvolution, EqualsThePlainOneInDouble) {
  torch::manual_seed(1);
  const Tensor weight = torch::randn({5, 3, 1, 1}, torch::kDouble);
  for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    for (const std::int64_t grid : {1, 8, 13}) {
      const Tensor images = torch::randn({2, 3, grid, 9}, torch::kDouble).contiguous(format);
      const auto plain = [](const Tensor& x, const Tensor& w) { return torch::conv2d(x, w); };
      const test::Answer ours = test::answer_of(pointwise_convolution, images, weight),
                         expected = test::answer_of(plain, images, weight);
      EXPECT_LT(test::difference(ours.output, expected.output), 1e-11);
      EXPECT_LT(test::difference(ours.images_gradient, expected.images_gradient), 1e-11);
      EXPECT_LT(test::difference(ours.weight_gradient, expected.weight_gradient), 1e-11);
    }
  }
}

TEST(PointwiseConvolution, RefusesOtherShapes) {
  const Tensor images = torch::zeros({1, 2, 8, 8});
  EXPECT_THROW(pointwise_convolution(images, torch::zeros({3, 2, 3, 3})), c10::Error);
  EXPECT_THROW(pointwise_convolution(images, torch::zeros({3, 4, 1, 1})), c10::Error);
}

struct Layer {
  std::int64_t kernel = 3, stride = 1, dilation = 1;
  bool bias = false;
  std::int64_t missing_padding = 0, groups = 1;
};

torch::nn::Conv2d made(const Layer& layer) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(16, 8, layer.kernel)
                               .stride(layer.stride)
                               .padding(layer.dilation * (layer.kernel - 1) / 2 - layer.missing_padding)
                               .dilation(layer.dilation)
                               .groups(layer.groups)
                               .bias(layer.bias));
}

void expect_near(const test::Answer& found, const test::Answer& expected, double tolerance) {
  const auto near = [&](const Tensor& a, const Tensor& b) {
    ASSERT_EQ(a.sizes(), b.sizes());
    EXPECT_LT(test::difference(a.to(torch::kFloat32), b) / b.abs().max().item<double>(), tolerance);
  };
  near(found.output, expected.output);
  near(found.images_gradient, expected.images_gradient);
  near(found.weight_gradient, expected.weight_gradient);
}

TEST(Convolve, IsTheLayersOwnFunctionInBothNumberFormats) {
  torch::manual_seed(2);
  const Tensor images = torch::randn({2, 16, 20, 24});
  for (const Layer& layer : {Layer{.kernel = 1},
                             {.kernel = 1, .stride = 2},
                             {.kernel = 1, .bias = true},
                             {.kernel = 1, .missing_padding = -1},
                             {.kernel = 3},
                             {.bias = true},
                             {.stride = 2},
                             {.missing_padding = 1},
                             {.groups = 4},
                             {.dilation = 4},
                             {.dilation = 12},
                             {.kernel = 7, .stride = 2}}) {
    SCOPED_TRACE(::testing::Message() << layer.kernel << " stride " << layer.stride << " dilation " << layer.dilation);
    auto conv = made(layer);
    const auto answer = [&](const auto& function) {
      conv->zero_grad();
      auto found = test::answer_of([&](const Tensor& x, const Tensor&) { return function(x); }, images, conv->weight);
      found.weight_gradient = conv->weight.grad().clone();
      return found;
    };
    const auto ours = [&](const Tensor& x) { return convolve(*conv, x); };
    const test::Answer expected = answer([&](const Tensor& x) { return conv(x); });
    expect_near(answer(ours), expected, 1e-5);
    test::under_bfloat16([&] {
      const test::Answer rounded = answer(ours);
      EXPECT_EQ(rounded.output.scalar_type(), torch::kBFloat16);
      expect_near(rounded, expected, 0.03);
    });
  }
}

}  // namespace
}  // namespace pulmoseg::model
