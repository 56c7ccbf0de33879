#pragma once
// A convolution of ours against LibTorch's own: answer and both gradients.

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>

namespace pulmoseg::test {

using Convolve = std::function<torch::Tensor(const torch::Tensor& images, const torch::Tensor& weight)>;

struct Answer {
  torch::Tensor output, images_gradient, weight_gradient;
};

/// Of leaves made from the images and the weight, with a gradient that differs everywhere.
inline Answer answer_of(const Convolve& convolve, const torch::Tensor& images, const torch::Tensor& weight) {
  const torch::Tensor x = images.detach().clone(images.suggest_memory_format()).requires_grad_();
  const torch::Tensor w = weight.detach().clone().requires_grad_();
  const torch::Tensor output = convolve(x, w);
  output.backward(torch::arange(output.numel(), torch::kFloat64).view(output.sizes()).sin().to(output.scalar_type()));
  return {output.detach(), x.grad(), w.grad()};
}

inline Convolve plain_convolution(std::int64_t dilation) {
  return [dilation](const torch::Tensor& images, const torch::Tensor& weight) {
    return torch::conv2d(images, weight, {}, 1, dilation, dilation);
  };
}

inline double difference(const torch::Tensor& a, const torch::Tensor& b) { return (a - b).abs().max().item<double>(); }

inline void expect_plain_convolution(const Convolve& convolve, const torch::Tensor& images, const torch::Tensor& weight,
                                     std::int64_t dilation, double tolerance) {
  const auto label = ::testing::Message() << images.sizes() << " dilated by " << dilation;
  const Answer plain = answer_of(plain_convolution(dilation), images, weight),
               ours = answer_of(convolve, images, weight);
  ASSERT_EQ(ours.output.sizes(), plain.output.sizes()) << label;
  EXPECT_LT(difference(ours.output, plain.output), tolerance) << label;
  EXPECT_LT(difference(ours.images_gradient, plain.images_gradient), tolerance) << label;
  EXPECT_LT(difference(ours.weight_gradient, plain.weight_gradient), tolerance * static_cast<double>(images.size(2)))
      << label;
}

/// `work` under autocast to bfloat16.
inline void under_bfloat16(const std::function<void()>& work) {
  at::autocast::set_autocast_dtype(torch::kCPU, torch::kBFloat16);
  at::autocast::set_autocast_enabled(torch::kCPU, true);
  work();
  at::autocast::set_autocast_enabled(torch::kCPU, false);
  at::autocast::clear_cache();
}

}  // namespace pulmoseg::test
