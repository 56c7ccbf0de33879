#pragma once
// A layer's convolution by the fastest way that there is for it on a CPU.

#include <torch/nn/modules/conv.h>

namespace pulmoseg::model {

/// The same function as conv->forward(images), up to rounding, with the same gradients:
///   3x3                             winograd_convolution: four ninths of the products
///   3x3 dilated beyond `wide_rate`  dilated_convolution: none of the products with padding
///   1x1 in bfloat16                 pointwise_convolution: a quicker gradient of the weights
/// where stride is 1, padding keeps the size of the image, and there are no groups and no bias; LibTorch's own for the rest, and
/// on GPUs.
torch::Tensor convolve(torch::nn::Conv2dImpl& conv, const torch::Tensor& images);
inline constexpr std::int64_t wide_rate = 8;

}  // namespace pulmoseg::model
