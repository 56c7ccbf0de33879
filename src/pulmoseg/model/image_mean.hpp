#pragma once
// The mean of an image, a pixel for each channel: torchvision's AdaptiveAvgPool2d(1) with another backward pass. LibTorch
// writes its gradient with channels slowest in memory, and adding gradients of two orders takes ten times as long as adding two
// of one: of DeepLabV3's step on a CPU, 3 %.

#include <torch/types.h>

namespace pulmoseg::model {

/// images N x C x H x W: N x C x 1 x 1, in float64 for float64, else in float32. The gradient is as the images, channels last.
torch::Tensor image_mean(const torch::Tensor& images);

}  // namespace pulmoseg::model
