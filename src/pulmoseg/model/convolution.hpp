#pragma once
// A layer's convolution by the fastest way that there is for it on a CPU.

#include <torch/nn/modules/conv.h>

namespace pulmoseg::model {

/// The same function as conv->forward(images), up to rounding, with the same gradients:
///   3x3, stride 1                   winograd_convolution: four ninths of the products
///   3x3 dilated beyond `wide_rate`  dilated_convolution: none of the products with padding
///   1x1, stride 1, bfloat16         pointwise_convolution: a quicker gradient of the weights
/// and LibTorch's own for the rest, for layers with a bias, and on GPUs.
torch::Tensor convolve(torch::nn::Conv2dImpl& conv, const torch::Tensor& images);
inline constexpr std::int64_t wide_rate = 8;

}  // namespace pulmoseg::model
