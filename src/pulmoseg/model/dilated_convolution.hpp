#pragma once
// A 3x3 convolution with a large dilation, without the taps that fall outside the picture.
//
// On a small grid most taps of a widely dilated kernel see only padding: at rate 36 on 32x32, all but the centre. oneDNN
// skips those in the forward pass and computes them in both backward passes. Here the grid is cut into the (at most
// nine) rectangles in which the same taps are alive; each rectangle is one matrix product over just these.
//
// The same function as torch::conv2d(images, weight, {}, 1, rate, rate) for every grid and rate: exact in exact
// arithmetic, different in the order of summation.

#include <torch/types.h>

#include <cstdint>

namespace pulmoseg::model {

/// images N x C x H x W, weight O x C x 3 x 3; stride 1, padding equal to the rate, no bias. The answer, N x O x H x W, is
/// channels-last in memory, whatever the images are. Differentiable once in both arguments. Under autocast it computes in
/// the autocast number format, as conv2d does. Error: c10::Error for other shapes. Threads: a function of its arguments.
torch::Tensor dilated_convolution(const torch::Tensor& images, const torch::Tensor& weight, std::int64_t rate);

}  // namespace pulmoseg::model
