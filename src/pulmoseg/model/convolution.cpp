#include "pulmoseg/model/convolution.hpp"

#include <torch/torch.h>

#include "pulmoseg/model/autocast.hpp"
#include "pulmoseg/model/dilated_convolution.hpp"
#include "pulmoseg/model/pointwise_convolution.hpp"
#include "pulmoseg/model/winograd.hpp"

namespace pulmoseg::model {

torch::Tensor convolve(torch::nn::Conv2dImpl& conv, const torch::Tensor& images) {
  const auto& options = conv.options;
  if (!images.device().is_cpu() || conv.bias.defined() || options.stride()->front() != 1) return conv.forward(images);
  const std::int64_t kernel = options.kernel_size()->front(), dilation = options.dilation()->front();
  if (kernel == 1)
    return computes_in_bfloat16(images) ? pointwise_convolution(images, conv.weight) : conv.forward(images);
  if (kernel != 3) return conv.forward(images);
  return dilation > wide_rate ? dilated_convolution(images, conv.weight, dilation)
                              : winograd_convolution(images, conv.weight, dilation);
}

}  // namespace pulmoseg::model
