#include "pulmoseg/model/convolution.hpp"

#include "pulmoseg/model/autocast.hpp"
#include "pulmoseg/model/dilated_convolution.hpp"
#include "pulmoseg/model/pointwise_convolution.hpp"
#include "pulmoseg/model/winograd.hpp"

namespace pulmoseg::model {

namespace {

bool both(const torch::ExpandingArray<2>& values, std::int64_t value) {
  return values->at(0) == value && values->at(1) == value;
}

/// A square kernel whose answer has the size of its image, without bias or groups.
bool is_plain(const torch::nn::Conv2dImpl& conv, std::int64_t kernel, std::int64_t dilation) {
  const auto& options = conv.options;
  const auto* padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  return both(options.kernel_size(), kernel) && both(options.dilation(), dilation) && both(options.stride(), 1) &&
         padding && both(*padding, dilation * (kernel - 1) / 2) && options.groups() == 1 &&
         std::holds_alternative<torch::enumtype::kZeros>(options.padding_mode()) && !conv.bias.defined();
}

}  // namespace

torch::Tensor convolve(torch::nn::Conv2dImpl& conv, const torch::Tensor& images) {
  const std::int64_t kernel = conv.options.kernel_size()->front(), dilation = conv.options.dilation()->front();
  if (!images.device().is_cpu() || !is_plain(conv, kernel, dilation)) return conv.forward(images);
  if (kernel == 1)
    return computes_in_bfloat16(images) ? pointwise_convolution(images, conv.weight) : conv.forward(images);
  if (kernel != 3) return conv.forward(images);
  return dilation > wide_rate ? dilated_convolution(images, conv.weight, dilation)
                              : winograd_convolution(images, conv.weight, dilation);
}

}  // namespace pulmoseg::model
