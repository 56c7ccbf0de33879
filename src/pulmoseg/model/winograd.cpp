#include "pulmoseg/model/winograd.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "pulmoseg/model/autocast.hpp"
#include "pulmoseg/model/kernel_tensors.hpp"
#include "pulmoseg/model/winograd_kernels.hpp"

namespace pulmoseg::model {
namespace {

using kernels::Kernel;
using kernels::WinogradTiles;
using torch::Tensor;

/// Calls work with a zero of the number format of the kernels.
template <class Work>
void with_format(const Tensor& tensor, const Work& work) {
  with_number_format<float, double, kernels::bfloat16_bits>(tensor, work);
}

WinogradTiles tiles_of(const Tensor& images, std::int64_t dilation) {
  return kernels::winograd_tiles(images.size(0), images.size(2), images.size(3), dilation);
}

/// images N x C x H x W, channels last: planes 16 x tiles x C.
Tensor input_planes(const WinogradTiles& tiles, const Tensor& images, Kernel kernel) {
  const Tensor planes = torch::empty({16, tiles.count(), images.size(1)}, images.scalar_type());
  with_format(images, [&]<class T>(T) {
    kernels::transform_input(tiles, memory<const T>(images), images.size(1), kernel, memory<T>(planes));
  });
  return planes;
}

Tensor gradient_planes(const WinogradTiles& tiles, const Tensor& gradient) {
  const Tensor planes = torch::empty({16, tiles.count(), gradient.size(1)}, gradient.scalar_type());
  with_format(gradient, [&]<class T>(T) {
    kernels::transform_gradient(tiles, memory<const T>(gradient), gradient.size(1), memory<T>(planes));
  });
  return planes;
}

/// The products 16 x tiles x O: images like those that the tiles are of, with O channels.
Tensor from_products(const WinogradTiles& tiles, const Tensor& products, std::int64_t images, Kernel kernel) {
  const Tensor answer = torch::empty({images, products.size(2), tiles.rows, tiles.columns},
                                     products.options().memory_format(torch::MemoryFormat::ChannelsLast));
  with_format(products, [&]<class T>(T) {
    kernels::transform_products(tiles, memory<const T>(products), products.size(2), kernel, memory<T>(answer));
  });
  return answer;
}

/// weight O x C x 3 x 3: planes 16 x O x C in another number format.
Tensor kernel_planes(const Tensor& weight, torch::ScalarType type) {
  const Tensor planes = torch::empty({16, weight.size(0), weight.size(1)}, type);
  const Tensor taps = channels_last(weight);
  with_format(planes, [&]<class T>(T) {
    kernels::transform_kernel(memory<const kernels::Number<T>>(taps), weight.size(0), weight.size(1),
                              memory<T>(planes));
  });
  return planes;
}

/// The gradient of kernel_planes' answer into that of its weight.
Tensor kernel_gradient(const Tensor& planes, const Tensor& weight) {
  const Tensor gradient =
      torch::empty(weight.sizes(), weight.options().memory_format(torch::MemoryFormat::ChannelsLast));
  with_format(planes, [&]<class T>(T) {
    kernels::transform_kernel_gradient(memory<const T>(planes), weight.size(0), weight.size(1),
                                       memory<kernels::Number<T>>(gradient));
  });
  return gradient;
}

struct WinogradConvolution : torch::autograd::Function<WinogradConvolution> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& given_images, const Tensor& weight,
                        std::int64_t dilation) {
    const Tensor images = channels_last(given_images);
    const auto tiles = tiles_of(images, dilation);
    context->save_for_backward({images, weight});  // their planes are several times as large, and quickly made again
    context->saved_data["dilation"] = dilation;
    const Tensor products = torch::bmm(input_planes(tiles, images, Kernel::upright),
                                       kernel_planes(weight, images.scalar_type()).transpose(1, 2));
    return from_products(tiles, products, images.size(0), Kernel::upright);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &images = saved[0], &weight = saved[1];
    const Tensor gradient = channels_last(gradients[0]);
    const auto tiles = tiles_of(gradient, context->saved_data["dilation"].toInt());
    Tensor images_gradient, weight_gradient;
    if (context->needs_input_grad(0)) {  // the same convolution with the kernel turned round, from answer to image
      const Tensor products =
          torch::bmm(input_planes(tiles, gradient, Kernel::turned), kernel_planes(weight, gradient.scalar_type()));
      images_gradient = from_products(tiles, products, gradient.size(0), Kernel::turned);
    }
    if (context->needs_input_grad(1)) {
      const Tensor planes =
          torch::bmm(gradient_planes(tiles, gradient).transpose(1, 2), input_planes(tiles, images, Kernel::upright));
      weight_gradient = kernel_gradient(planes, weight);
    }
    return {images_gradient, weight_gradient, {}};
  }
};

}  // namespace

Tensor winograd_convolution(const Tensor& images, const Tensor& weight, std::int64_t dilation) {
  TORCH_CHECK(images.dim() == 4 && weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
                  weight.size(1) == images.size(1) && dilation > 0 && images.device().is_cpu(),
              "winograd_convolution: images ", images.sizes(), ", weight ", weight.sizes(), ", dilation ", dilation);
  return under_autocast(images.device().type(), [&](const auto& cast) {
    const Tensor pixels = cast(images);  // the weight stays 32-bit: it is rounded after its transform
    TORCH_CHECK(weight.scalar_type() == (pixels.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32),
                "winograd_convolution: images of ", pixels.scalar_type(), " with a weight of ", weight.scalar_type());
    return WinogradConvolution::apply(pixels, weight, dilation);
  });
}

}  // namespace pulmoseg::model
