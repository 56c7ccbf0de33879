#include "pulmoseg/model/batch_norm.hpp"

#include <torch/torch.h>

#include "pulmoseg/model/batch_norm_kernels.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

std::span<float> values(const Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

/// Calls work with a null pointer of the number format of the kernels.
template <class Work>
void with_number_format(const Tensor& tensor, const Work& work) {
  tensor.scalar_type() == torch::kBFloat16 ? work(kernels::bfloat16_bits{}) : work(float{});
}

template <class T>
T* memory(const Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

template <class T>
kernels::Pixels<const T> pixels(const Tensor& images) {
  return {memory<const T>(images), images.numel() / images.size(1), images.size(1)};
}

Tensor channels_last(const Tensor& images) { return images.contiguous(torch::MemoryFormat::ChannelsLast); }

struct BatchNormRelu : torch::autograd::Function<BatchNormRelu> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input, const Tensor& weight,
                        const Tensor& bias, const Tensor& mean, const Tensor& inverse_deviation,
                        const std::optional<Tensor>& addend) {
    const Tensor scale = weight * inverse_deviation, offset = bias - mean * scale;
    const Tensor output = torch::empty_like(input);
    with_number_format(input, [&]<class T>(T) {
      kernels::normalise(pixels<T>(input), values(scale), values(offset), memory<const T>(addend.value_or(Tensor())),
                         memory<T>(output));
    });
    context->save_for_backward({input, addend ? output : Tensor(), mean, inverse_deviation, scale, offset});
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &input = saved[0], &output = saved[1], &mean = saved[2], &inverse_deviation = saved[3];
    const Tensor &scale = saved[4], &offset = saved[5];
    const Tensor gradient = channels_last(gradients[0]);
    const Tensor addend_gradient = output.defined() ? torch::empty_like(input) : Tensor();
    const Tensor input_gradient = torch::empty_like(input);
    const Tensor sum = torch::empty_like(mean), product_sum = torch::empty_like(mean);
    with_number_format(input, [&]<class T>(T) {
      const auto x = pixels<T>(input);
      const kernels::Rectifier<T> rectifier{memory<const T>(gradient), memory<const T>(output),
                                            memory<T>(addend_gradient)};
      kernels::gradient_sums(x, rectifier, values(mean), values(scale), values(offset), values(sum),
                             values(product_sum));
      const auto count = static_cast<double>(x.count);
      const Tensor slope = -scale * inverse_deviation.square() * product_sum / count;
      const Tensor constant = -scale * sum / count - slope * mean;
      kernels::input_gradient(x, rectifier, values(scale), values(offset), values(slope), values(constant),
                              memory<T>(input_gradient));
    });
    return {input_gradient, product_sum * inverse_deviation, sum, {}, {}, addend_gradient};
  }
};

/// As torch::batch_norm in training mode: running statistics move towards the batch's by the layer's momentum.
void update_running_statistics(torch::nn::BatchNorm2dImpl& norm, const Tensor& mean, const Tensor& variance,
                               std::int64_t count) {
  const torch::NoGradGuard no_gradients;
  const double momentum = *norm.options.momentum();
  norm.num_batches_tracked += 1;
  norm.running_mean.lerp_(mean, momentum);
  norm.running_var.lerp_(variance * (static_cast<double>(count) / static_cast<double>(count - 1)), momentum);
}

bool can_be_fused(const torch::nn::BatchNorm2dImpl& norm, const Tensor& input, const Tensor& addend) {
  const auto suits = [&](const Tensor& images) {
    return images.is_contiguous(torch::MemoryFormat::ChannelsLast) && images.scalar_type() == input.scalar_type() &&
           images.sizes() == input.sizes();
  };
  return norm.is_training() && input.device().is_cpu() && input.dim() == 4 && input.numel() / input.size(1) > 1 &&
         (input.scalar_type() == torch::kFloat32 || input.scalar_type() == torch::kBFloat16) && suits(input) &&
         (!addend.defined() || suits(addend)) && norm.weight.scalar_type() == torch::kFloat32 &&
         norm.options.momentum();
}

}  // namespace

Tensor batch_norm_relu(torch::nn::BatchNorm2dImpl& norm, const Tensor& input, const Tensor& addend) {
  if (!can_be_fused(norm, input, addend)) {
    Tensor normalised = norm.forward(input);
    if (addend.defined()) normalised += addend;
    return normalised.relu_();
  }
  const std::int64_t count = input.numel() / input.size(1);
  const Tensor mean = torch::empty({input.size(1)}), variance = torch::empty({input.size(1)});
  with_number_format(input, [&]<class T>(T) { kernels::moments(pixels<T>(input), values(mean), values(variance)); });
  update_running_statistics(norm, mean, variance, count);
  const Tensor inverse_deviation = (variance + norm.options.eps()).rsqrt();
  return BatchNormRelu::apply(input, norm.weight, norm.bias, mean, inverse_deviation,
                              addend.defined() ? std::optional(addend) : std::nullopt);
}

}  // namespace pulmoseg::model
