#include "pulmoseg/model/image_mean.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "pulmoseg/model/kernel_tensors.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

struct ImageMean : torch::autograd::Function<ImageMean> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& images) {
    context->saved_data["sizes"] = images.sizes();
    context->saved_data["type"] = images.scalar_type();
    const auto type = images.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
    return images.mean({2, 3}, /*keepdim=*/true, type);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const Tensor of_pixel = gradients[0] / (sizes[2] * sizes[3]);
    return {channels_last(of_pixel.to(context->saved_data["type"].toScalarType()).expand(sizes))};
  }
};

}  // namespace

Tensor image_mean(const Tensor& images) { return ImageMean::apply(images); }

}  // namespace pulmoseg::model
