#include "pulmoseg/model/batch_norm.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <limits>

#include "pulmoseg/model/batch_norm_kernels.hpp"
#include "pulmoseg/model/kernel_tensors.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

std::span<float> values(const Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

template <class T>
kernels::Pixels<const T> pixels(const Tensor& images) {
  return {memory<const T>(images), images.numel() / images.size(1), images.size(1)};
}

/// Of each channel, over all samples that are normalised together.
struct Moments {
  Tensor mean, variance;  ///< the variance is the biased one
  double count = 0;       ///< of values in a channel; infinite for moments that no sample moves
};

/// From the moments of this rank's samples to those of all ranks' samples. Sums are float64, so that the mean's square does not
/// drown the variance.
Moments over_ranks(const SumOverRanks& sum_over_ranks, const Moments& own) {
  if (!sum_over_ranks) return own;
  const Tensor own_mean = own.mean.to(torch::kFloat64), own_square = own.variance + own_mean.square();
  Tensor sums = torch::cat({own_mean, own_square, torch::ones_like(own_mean.slice(0, 0, 1))}) * own.count;
  sum_over_ranks(sums);
  const double count = sums[-1].item<double>();
  const auto averages = (sums.slice(0, 0, -1) / count).chunk(2);
  const Tensor variance = (averages[1] - averages[0].square()).clamp_min(0);
  const auto type = own.mean.scalar_type();
  return {.mean = averages[0].to(type), .variance = variance.to(type), .count = count};
}

/// What a backward pass keeps of the way to add up.
struct Ranks : torch::CustomClassHolder {
  explicit Ranks(SumOverRanks sum) : sum_over_ranks(std::move(sum)) {}
  SumOverRanks sum_over_ranks;
};

void keep(torch::autograd::AutogradContext* context, double count, const SumOverRanks& sum_over_ranks) {
  context->saved_data["count"] = count;
  if (sum_over_ranks)
    context->saved_data["ranks"] = c10::IValue::make_capsule(c10::make_intrusive<Ranks>(sum_over_ranks));
}

/// Two sums a channel, of this rank's samples, into those of all ranks' samples.
std::pair<Tensor, Tensor> over_ranks(torch::autograd::AutogradContext* context, const Tensor& one,
                                     const Tensor& other) {
  const auto ranks = context->saved_data.find("ranks");
  if (ranks == context->saved_data.end()) return {one, other};
  Tensor sums = torch::stack({one, other});
  c10::static_intrusive_pointer_cast<Ranks>(ranks->second.toCapsule())->sum_over_ranks(sums);
  return {sums[0], sums[1]};
}

struct BatchNormRelu : torch::autograd::Function<BatchNormRelu> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input, const Tensor& weight,
                        const Tensor& bias, const Tensor& mean, const Tensor& inverse_deviation,
                        const std::optional<Tensor>& addend, double count, const SumOverRanks& sum_over_ranks) {
    keep(context, count, sum_over_ranks);
    const Tensor scale = weight * inverse_deviation, offset = bias - mean * scale;
    const Tensor output = torch::empty_like(input);
    with_number_format<float, kernels::bfloat16_bits>(input, [&]<class T>(T) {
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
    with_number_format<float, kernels::bfloat16_bits>(input, [&]<class T>(T) {
      const auto x = pixels<T>(input);
      const kernels::Rectifier<T> rectifier{memory<const T>(gradient), memory<const T>(output),
                                            memory<T>(addend_gradient)};
      kernels::gradient_sums(x, rectifier, values(mean), values(scale), values(offset), values(sum),
                             values(product_sum));
      const double count = context->saved_data["count"].toDouble();
      const auto [whole_sum, whole_product_sum] = over_ranks(context, sum, product_sum);
      const Tensor slope = -scale * inverse_deviation.square() * whole_product_sum / count;
      const Tensor constant = -scale * whole_sum / count - slope * mean;
      kernels::input_gradient(x, rectifier, values(scale), values(offset), values(slope), values(constant),
                              memory<T>(input_gradient));
    });
    return {input_gradient, product_sum * inverse_deviation, sum, {}, {}, addend_gradient, {}, {}};
  }
};

/// BatchNorm alone, for any device and number format: with the moments of all ranks known, LibTorch's eval mode normalises.
struct SynchronisedBatchNorm : torch::autograd::Function<SynchronisedBatchNorm> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input, const Tensor& weight,
                        const Tensor& bias, const Moments& moments, double epsilon,
                        const SumOverRanks& sum_over_ranks) {
    keep(context, moments.count, sum_over_ranks);
    context->saved_data["epsilon"] = epsilon;
    context->save_for_backward({input, weight, moments.mean, moments.variance});
    return torch::batch_norm(input, weight, bias, moments.mean, moments.variance, /*training=*/false, /*momentum=*/0,
                             epsilon, /*cudnn_enabled=*/false);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &input = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double epsilon = context->saved_data["epsilon"].toDouble(), count = context->saved_data["count"].toDouble();
    const auto [unused, weight_gradient, bias_gradient] = torch::native_batch_norm_backward(
        gradients[0], input, weight, mean, variance, {}, {}, /*train=*/false, epsilon, {false, true, true});
    const auto [product_sum, sum] = over_ranks(context, weight_gradient, bias_gradient);
    const Tensor inverse_deviation = (variance + epsilon).rsqrt(), scale = weight * inverse_deviation;
    const Tensor slope = -scale * inverse_deviation * product_sum / count,
                 constant = -scale * sum / count - slope * mean;
    const auto of_channels = [](const Tensor& values) { return values.view({1, -1, 1, 1}); };
    const Tensor input_gradient =
        torch::addcmul(of_channels(constant), input, of_channels(slope)).addcmul_(gradients[0], of_channels(scale));
    return {input_gradient.to(input.scalar_type()), weight_gradient, bias_gradient, {}, {}, {}};
  }
};

/// As torch::batch_norm in training mode: running statistics move towards the batch's by the layer's momentum.
void update_running_statistics(BatchNormImpl& norm, const Moments& moments) {
  const torch::NoGradGuard no_gradients;
  const double momentum = *norm.options.momentum();
  norm.num_batches_tracked += 1;
  norm.running_mean.lerp_(moments.mean, momentum);
  norm.running_var.lerp_(moments.variance * (moments.count / (moments.count - 1)), momentum);
}

/// Of a batch, in training mode; moves the running statistics.
Moments moments_of(BatchNormImpl& norm, const Tensor& input) {
  const std::int64_t channels = input.size(1);
  const Moments own{.mean = torch::empty({channels}),
                    .variance = torch::empty({channels}),
                    .count = static_cast<double>(input.numel() / channels)};
  with_number_format<float, kernels::bfloat16_bits>(
      input, [&]<class T>(T) { kernels::moments(pixels<T>(input), values(own.mean), values(own.variance)); });
  const Moments moments = over_ranks(norm.sum_over_ranks, own);
  update_running_statistics(norm, moments);
  return moments;
}

/// Those of eval mode, through which no gradient flows: to them, a batch is one among infinitely many.
Moments running_moments(const BatchNormImpl& norm) {
  return {.mean = norm.running_mean.clone(),
          .variance = norm.running_var,
          .count = std::numeric_limits<double>::infinity()};
}

bool can_be_fused(const BatchNormImpl& norm, const Tensor& input, const Tensor& addend) {
  const auto suits = [&](const Tensor& images) {
    return images.is_contiguous(torch::MemoryFormat::ChannelsLast) && images.scalar_type() == input.scalar_type() &&
           images.sizes() == input.sizes();
  };
  const bool enough = !norm.is_training() || norm.sum_over_ranks || input.numel() / input.size(1) > 1;
  return input.device().is_cpu() && input.dim() == 4 && enough &&
         (input.scalar_type() == torch::kFloat32 || input.scalar_type() == torch::kBFloat16) && suits(input) &&
         (!addend.defined() || suits(addend)) && norm.weight.scalar_type() == torch::kFloat32 &&
         norm.options.momentum();
}

}  // namespace

Tensor BatchNormImpl::forward(const Tensor& input) {
  if (!is_training() || !sum_over_ranks) return torch::nn::BatchNorm2dImpl::forward(input);
  const auto [variance, mean] =
      torch::var_mean(input.detach().to(weight.scalar_type()), torch::IntArrayRef{0, 2, 3}, /*unbiased=*/false);
  const auto count = static_cast<double>(input.numel() / input.size(1));
  const Moments moments = over_ranks(sum_over_ranks, {.mean = mean, .variance = variance, .count = count});
  update_running_statistics(*this, moments);
  return SynchronisedBatchNorm::apply(input, weight, bias, moments, options.eps(), sum_over_ranks);
}

void synchronise_batch_norm(torch::nn::Module& network, const SumOverRanks& sum_over_ranks) {
  for (const auto& module : network.modules()) {
    if (auto* norm = module->as<BatchNorm>()) norm->sum_over_ranks = sum_over_ranks;
  }
}

void freeze_batch_norm(torch::nn::Module& network) {
  for (const auto& module : network.modules()) {
    if (auto* norm = dynamic_cast<torch::nn::BatchNorm2dImpl*>(module.get())) norm->eval();
  }
}

Tensor batch_norm_relu(BatchNormImpl& norm, const Tensor& input, const Tensor& addend) {
  if (!can_be_fused(norm, input, addend)) {
    Tensor normalised = norm.forward(input);
    if (addend.defined()) normalised += addend;
    return normalised.relu_();
  }
  const Moments moments = norm.is_training() ? moments_of(norm, input) : running_moments(norm);
  const Tensor inverse_deviation = (moments.variance + norm.options.eps()).rsqrt();
  return BatchNormRelu::apply(input, norm.weight, norm.bias, moments.mean, inverse_deviation,
                              addend.defined() ? std::optional(addend) : std::nullopt, moments.count,
                              norm.is_training() ? norm.sum_over_ranks : nullptr);
}

}  // namespace pulmoseg::model
