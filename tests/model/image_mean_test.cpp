// The image's mean against LibTorch's adaptive pooling.

#include "pulmoseg/model/image_mean.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/utils.h>

namespace pulmoseg::model {
namespace {

using torch::Tensor;

TEST(ImageMean, AndItsGradientAreThoseOfAdaptivePooling) {
  torch::manual_seed(3);
  for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    const Tensor images = torch::rand({3, 5, 7, 4}, torch::kFloat64).contiguous(format).requires_grad_();
    const Tensor same = images.detach().clone().requires_grad_();
    const Tensor mean = image_mean(images), expected = torch::adaptive_avg_pool2d(same, {1, 1});
    ASSERT_EQ(mean.sizes(), expected.sizes());
    EXPECT_TRUE(torch::allclose(mean, expected, 1e-12, 1e-12));
    const Tensor weight = torch::rand_like(mean.detach());
    (mean * weight).sum().backward();
    (expected * weight).sum().backward();
    EXPECT_TRUE(torch::allclose(images.grad(), same.grad(), 1e-12, 1e-12));
  }
}

TEST(ImageMean, OfBfloat16IsSummedIn32BitAndItsGradientIsChannelsLast) {
  const Tensor images = torch::full({1, 2, 64, 64}, 1.0078125, torch::kBFloat16).requires_grad_();
  const Tensor mean = image_mean(images);
  EXPECT_EQ(mean.scalar_type(), torch::kFloat32);
  EXPECT_EQ(mean[0][1][0][0].item<float>(), 1.0078125F);
  const auto gradient = torch::autograd::grad({mean.sum()}, {images})[0];
  EXPECT_EQ(gradient.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(gradient.is_contiguous(torch::MemoryFormat::ChannelsLast));
}

}  // namespace
}  // namespace pulmoseg::model
