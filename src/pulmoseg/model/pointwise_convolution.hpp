#pragma once
// A 1x1 convolution whose weights' gradient is a matrix product.
//
// oneDNN's backward pass of a bfloat16 convolution finds the gradient of the weights a fifth more slowly than its own matrix
// product of the same numbers does. Forward and the gradient of the images are as fast either way, and are left to it.

#include <torch/types.h>

namespace pulmoseg::model {

/// images N x C x H x W, weight O x C x 1 x 1; stride 1, no bias: the same function as torch::conv2d(images, weight). The answer
/// is channels-last in memory. Differentiable once in both arguments. Under autocast it computes in the autocast number
/// format. Threads: a function of its arguments.
torch::Tensor pointwise_convolution(const torch::Tensor& images, const torch::Tensor& weight);

}  // namespace pulmoseg::model
