#pragma once
// DeepLabV3 with a ResNet-50 backbone: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation"
// (2017), on He et al., "Deep Residual Learning for Image Recognition" (2015), layer by layer as torchvision's
// deeplabv3_resnet50 builds it: the same parameter names, shapes and order, the same law of initialisation, the same
// BatchNorm and dropout.
//
// Images are float32 N x channels x H x W; forward() gives logits N x classes x H x W. The features lie on a grid 8
// times coarser (output stride 8). Works in any memory format; channels-last images stay channels-last all the way,
// which is the fastest on CPUs. In training mode the pooled branch has one value per sample and channel, so BatchNorm
// refuses a batch of one image.
//
// Errors: c10::Error from LibTorch for images of another shape. Threads: one at a time in training mode; in eval mode
// several threads may call forward() together.

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <cstdint>
#include <memory>

namespace pulmoseg::model {

struct DeepLabV3Options {
  std::int64_t classes = 2;   ///< logits a pixel, background included
  std::int64_t channels = 1;  ///< of the images; 1 for CT
};

/// One stage of ResNet-50: blocks of 1x1 to `width` channels, 3x3, 1x1 to four times `width`. Its first block strides,
/// or dilates as the stage before it did; the others keep the stage's own dilation.
struct Stage {
  const char* name;
  std::int64_t width, blocks, stride, first_dilation, dilation;
};
inline constexpr std::array<Stage, 4> resnet50_stages{{{"layer1", 64, 3, 1, 1, 1},
                                                       {"layer2", 128, 4, 2, 1, 1},
                                                       {"layer3", 256, 6, 1, 1, 2},
                                                       {"layer4", 512, 3, 1, 2, 4}}};
inline constexpr std::int64_t bottleneck_expansion = 4;
inline constexpr std::array<std::int64_t, 3> aspp_rates{12, 24, 36};
inline constexpr double batch_norm_epsilon = 1e-5;

class ResNet50Impl;
class DeepLabHeadImpl;

/// New weights are drawn from torch's global generator: after torch::manual_seed(s) they are the same in every run.
class DeepLabV3Impl : public torch::nn::Module {
 public:
  explicit DeepLabV3Impl(const DeepLabV3Options& options = {});
  torch::Tensor forward(const torch::Tensor& images);
  const DeepLabV3Options& options() const { return options_; }

 private:
  DeepLabV3Options options_;
  std::shared_ptr<ResNet50Impl> backbone_;
  std::shared_ptr<DeepLabHeadImpl> classifier_;
};
TORCH_MODULE(DeepLabV3);

}  // namespace pulmoseg::model
