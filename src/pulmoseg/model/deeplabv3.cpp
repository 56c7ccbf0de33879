#include "pulmoseg/model/deeplabv3.hpp"

#include <torch/nn/functional/upsampling.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>

#include <vector>

#include "pulmoseg/model/batch_norm.hpp"
#include "pulmoseg/model/convolution.hpp"
#include "pulmoseg/model/dropout.hpp"
#include "pulmoseg/model/image_mean.hpp"
#include "pulmoseg/model/kernel_tensors.hpp"

namespace pulmoseg::model {
namespace {

namespace nn = torch::nn;
using torch::Tensor;

/// A convolution without bias (BatchNorm follows it) that keeps the image's size when its stride is 1.
nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                       std::int64_t dilation = 1) {
  const std::int64_t padding = dilation * (kernel - 1) / 2;
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding).dilation(dilation).bias(false));
}

Tensor resize_bilinear(const Tensor& images, torch::IntArrayRef size) {
  using Options = nn::functional::InterpolateFuncOptions;
  return nn::functional::interpolate(
      images,
      Options().size(std::vector<std::int64_t>(size.begin(), size.end())).mode(torch::kBilinear).align_corners(false));
}

/// 1x1 to `width` channels, 3x3 there, 1x1 to four times `width`, added to the input. ResNet v1.5: the 3x3 strides.
struct BottleneckImpl : nn::Module {
  BottleneckImpl(std::int64_t in, std::int64_t width, std::int64_t stride, std::int64_t dilation, bool project) {
    conv1 = register_module("conv1", convolution(in, width, 1));
    bn1 = register_module("bn1", BatchNorm(width));
    conv2 = register_module("conv2", convolution(width, width, 3, stride, dilation));
    bn2 = register_module("bn2", BatchNorm(width));
    conv3 = register_module("conv3", convolution(width, width * bottleneck_expansion, 1));
    bn3 = register_module("bn3", BatchNorm(width * bottleneck_expansion));
    if (project) {
      downsample = nn::Sequential(convolution(in, width * bottleneck_expansion, 1, stride),
                                  BatchNorm(width * bottleneck_expansion));
      register_module("downsample", downsample);
    }
  }

  Tensor forward(const Tensor& input) {
    Tensor x = batch_norm_relu(*bn1, convolve(*conv1, input));
    x = batch_norm_relu(*bn2, convolve(*conv2, x));
    return batch_norm_relu(*bn3, convolve(*conv3, x), shortcut(input));
  }

  Tensor shortcut(const Tensor& input) {
    if (!downsample) return input;
    return downsample->ptr<BatchNormImpl>(1)->forward(convolve(*downsample->ptr<nn::Conv2dImpl>(0), input));
  }

  nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr};
  BatchNorm bn1{nullptr}, bn2{nullptr}, bn3{nullptr};
  nn::Sequential downsample{nullptr};
};
TORCH_MODULE(Bottleneck);

/// A convolution, BatchNorm and ReLU; `first_name` is the convolution's place in torchvision's Sequential.
struct BranchImpl : nn::Module {
  explicit BranchImpl(const nn::Conv2d& convolution, int first_name = 0)
      : conv(register_module(std::to_string(first_name), convolution)),
        norm(register_module(std::to_string(first_name + 1), BatchNorm(convolution->options.out_channels()))) {}

  Tensor forward(const Tensor& features) { return batch_norm_relu(*norm, convolve(*conv, features)); }

  nn::Conv2d conv;
  BatchNorm norm;
};
TORCH_MODULE(Branch);

/// Atrous spatial pyramid pooling: a 1x1 convolution, three 3x3 convolutions of growing rate and the image's mean
/// look at the same features; their outputs are stacked and projected.
struct AsppImpl : nn::Module {
  explicit AsppImpl(std::int64_t in, std::int64_t out = 256) {
    convs->push_back(Branch(convolution(in, out, 1)));
    for (const std::int64_t rate : aspp_rates) convs->push_back(Branch(convolution(in, out, 3, 1, rate)));
    convs->push_back(Branch(convolution(in, out, 1), /*first_name=*/1));  // 0 is the pooling
    register_module("convs", convs);
    project = register_module("project", Branch(convolution(static_cast<std::int64_t>(convs->size()) * out, out, 1)));
    dropout = project->register_module("3", nn::Dropout(0.5));
  }

  Tensor forward(const Tensor& features) {
    std::vector<Tensor> outputs;
    for (const auto& branch : *convs) {
      const bool pooled = outputs.size() + 1 == convs->size();
      outputs.push_back(branch->as<Branch>()->forward(pooled ? image_mean(features) : features));
    }
    outputs.back() = repeat_over(outputs.back(), features);
    const Tensor projected = project(torch::cat(outputs, 1));
    return dropout->is_training() ? model::dropout(projected, dropout->options.p()) : projected;
  }

  /// One pixel at every place of a grid: what bilinear resizing makes of it, without the arithmetic.
  static Tensor repeat_over(const Tensor& pixel, const Tensor& grid) {
    return channels_last(pixel.expand({-1, -1, grid.size(2), grid.size(3)}));
  }

  nn::ModuleList convs;
  Branch project{nullptr};
  nn::Dropout dropout{nullptr};
};
TORCH_MODULE(Aspp);

}  // namespace

/// ResNet-50 without its classifier. The last two stages dilate where the original would stride, so that the features
/// stay at an eighth of the image's size.
class ResNet50Impl : public nn::Module {
 public:
  explicit ResNet50Impl(std::int64_t channels) {
    conv1_ = register_module("conv1", nn::Conv2d(nn::Conv2dOptions(channels, 64, 7).stride(2).padding(3).bias(false)));
    bn1_ = register_module("bn1", BatchNorm(64));
    for (const Stage& stage : resnet50_stages) stages_.push_back(register_module(stage.name, make_stage(stage)));
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* conv = module->as<nn::Conv2d>())
        nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
    }
  }

  Tensor forward(const Tensor& images) {
    Tensor x = batch_norm_relu(*bn1_, conv1_(images));
    x = torch::max_pool2d(x, /*kernel_size=*/3, /*stride=*/2, /*padding=*/1);
    for (auto& stage : stages_) x = stage->forward(x);
    return x;
  }

  std::int64_t out_channels() const { return in_channels_; }

 private:
  nn::Sequential make_stage(const Stage& stage) {
    nn::Sequential blocks;
    for (std::int64_t i = 0; i < stage.blocks; ++i) {
      const bool first = i == 0;
      blocks->push_back(Bottleneck(in_channels_, stage.width, first ? stage.stride : 1,
                                   first ? stage.first_dilation : stage.dilation, /*project=*/first));
      in_channels_ = stage.width * bottleneck_expansion;
    }
    return blocks;
  }

  std::int64_t in_channels_ = 64;
  nn::Conv2d conv1_{nullptr};
  BatchNorm bn1_{nullptr};
  std::vector<nn::Sequential> stages_;
};

/// ASPP, one more 3x3 convolution, and a 1x1 convolution to the classes, under a Sequential's names 0 to 4.
class DeepLabHeadImpl : public nn::Module {
 public:
  DeepLabHeadImpl(std::int64_t in, std::int64_t classes) {
    aspp_ = register_module("0", Aspp(in));
    conv_ = register_module("1", convolution(256, 256, 3));
    bn_ = register_module("2", BatchNorm(256));
    logits_ = register_module("4", nn::Conv2d(nn::Conv2dOptions(256, classes, 1)));
  }

  Tensor forward(const Tensor& features) { return logits_(batch_norm_relu(*bn_, convolve(*conv_, aspp_(features)))); }

 private:
  Aspp aspp_{nullptr};
  nn::Conv2d conv_{nullptr}, logits_{nullptr};
  BatchNorm bn_{nullptr};
};

DeepLabV3Impl::DeepLabV3Impl(const DeepLabV3Options& options) : options_(options) {
  backbone_ = register_module("backbone", std::make_shared<ResNet50Impl>(options.channels));
  classifier_ =
      register_module("classifier", std::make_shared<DeepLabHeadImpl>(backbone_->out_channels(), options.classes));
}

Tensor DeepLabV3Impl::forward(const Tensor& images) {
  return resize_bilinear(classifier_->forward(backbone_->forward(images)), images.sizes().slice(2));
}

}  // namespace pulmoseg::model
