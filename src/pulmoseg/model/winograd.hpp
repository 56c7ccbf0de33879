#pragma once
// A 3x3 convolution in four ninths of the multiplications.
//
// Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016)
// makes 2x2 pixels from the 4x4 around them with 16 products instead of 36, by additions before and after. The products
// of all tiles and channels are sixteen matrix products. Both gradients go the same way. A dilated convolution is the
// same on every dilation-th pixel.
//
// The same function as torch::conv2d(images, weight, {}, 1, dilation, dilation) for every grid and dilation: exact in exact
// arithmetic; in floating point its rounding errors stay below four times those of the plain sum (tested).

#include <torch/types.h>

#include <cstdint>

namespace pulmoseg::model {

/// images N x C x H x W, weight O x C x 3 x 3; stride 1, padding equal to the dilation, no bias. On a CPU; the number formats
/// are float32, float64, and bfloat16 images with a float32 weight. The answer, N x O x H x W, has the images' number
/// format and is channels-last in memory. Differentiable once in both arguments. Under autocast it computes in the autocast
/// number format, as conv2d does. The more channels, the smaller a part the transforms are.
/// Error: c10::Error for other shapes. Threads: a function of its arguments; the bytes do not depend on their number but for
/// the matrix products of LibTorch.
torch::Tensor winograd_convolution(const torch::Tensor& images, const torch::Tensor& weight, std::int64_t dilation);

}  // namespace pulmoseg::model
