#include "pulmoseg/model/pointwise_convolution.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "pulmoseg/model/autocast.hpp"
#include "pulmoseg/model/kernel_tensors.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

/// N x C x H x W, channels last: pixels x C, without a copy.
Tensor matrix(const Tensor& images) { return images.permute({0, 2, 3, 1}).reshape({-1, images.size(1)}); }

struct PointwiseConvolution : torch::autograd::Function<PointwiseConvolution> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& images, const Tensor& weight) {
    const Tensor pixels = channels_last(images);
    context->save_for_backward({pixels, weight});
    return torch::conv2d(pixels, weight);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &images = saved[0], &weight = saved[1];
    const Tensor gradient = channels_last(gradients[0]);
    Tensor images_gradient, weight_gradient;
    if (context->needs_input_grad(0)) {
      images_gradient =
          std::get<0>(at::convolution_backward(gradient, images, weight, /*bias_sizes=*/{}, /*stride=*/{1, 1},
                                               /*padding=*/{0, 0}, /*dilation=*/{1, 1}, /*transposed=*/false,
                                               /*output_padding=*/{0, 0}, /*groups=*/1, {true, false, false}));
    }
    if (context->needs_input_grad(1))
      weight_gradient = torch::mm(matrix(gradient).t(), matrix(images)).view(weight.sizes());
    return {images_gradient, weight_gradient};
  }
};

}  // namespace

Tensor pointwise_convolution(const Tensor& images, const Tensor& weight) {
  TORCH_CHECK(images.dim() == 4 && weight.dim() == 4 && weight.size(2) == 1 && weight.size(3) == 1 &&
                  weight.size(1) == images.size(1),
              "pointwise_convolution: images ", images.sizes(), ", weight ", weight.sizes());
  return under_autocast(images.device().type(),
                        [&](const auto& cast) { return PointwiseConvolution::apply(cast(images), cast(weight)); });
}

}  // namespace pulmoseg::model
