#include "pulmoseg/training/adam.hpp"

#include <ATen/ops/_fused_adam.h>
#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::training {

Adam::Adam(const torch::nn::Module& network, double learning_rate) : learning_rate_(learning_rate) {
  const auto step = torch::zeros({}, torch::kFloat32);
  for (const auto& parameter : network.named_parameters()) {
    names_.push_back(parameter.key());
    parameters_.push_back(parameter.value());
    first_moments_.push_back(torch::zeros_like(parameter.value()));
    second_moments_.push_back(torch::zeros_like(parameter.value()));
    steps_.push_back(step.to(parameter->device()).clone());
  }
}

void Adam::zero_gradients() {
  for (auto& parameter : parameters_) parameter.mutable_grad().reset();
}

void Adam::step() {
  const torch::NoGradGuard no_gradients;
  std::vector<torch::Tensor> gradients;
  gradients.reserve(parameters_.size());
  for (const auto& parameter : parameters_) {
    // The kernel walks parameter, gradient and moments in the order of memory. (A 1x1 kernel has two names for one order.)
    const auto& gradient = parameter.grad();
    const auto format = parameter.suggest_memory_format();
    const bool same_order = parameter.is_contiguous(format) && gradient.is_contiguous(format);
    gradients.push_back(same_order ? gradient : torch::empty_like(parameter).copy_(gradient));
  }
  torch::_foreach_add_(steps_, 1);
  at::_fused_adam_(parameters_, gradients, first_moments_, second_moments_, /*max_exp_avg_sqs=*/{}, steps_,
                   learning_rate_,
                   /*beta1=*/0.9, /*beta2=*/0.999, /*weight_decay=*/0.0, /*eps=*/1e-8, /*amsgrad=*/false,
                   /*maximize=*/false);
}

model::StateDict Adam::state_dict() const {
  model::StateDict state{{"step", steps_.front()}};
  for (std::size_t i = 0; i < names_.size(); ++i) {
    state.emplace_back(names_[i] + ".exp_avg", first_moments_[i]);
    state.emplace_back(names_[i] + ".exp_avg_sq", second_moments_[i]);
  }
  return state;
}

void Adam::load_state_dict(const model::StateDict& state, const std::string& source) {
  const torch::NoGradGuard no_gradients;
  const auto load = [&](const std::string& name, const torch::Tensor& target) {
    const torch::Tensor* stored = model::find(state, name);
    if (!stored || stored->sizes() != target.sizes()) {
      throw Error(fmt::format("{}: the optimiser's {} is {}, expected {}; it is a checkpoint of another network",
                              source, name, stored ? model::describe_shape(stored->sizes()) : "missing",
                              model::describe_shape(target.sizes())));
    }
    target.copy_(*stored);
  };
  for (const auto& step : steps_) load("step", step);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    load(names_[i] + ".exp_avg", first_moments_[i]);
    load(names_[i] + ".exp_avg_sq", second_moments_[i]);
  }
}

}  // namespace pulmoseg::training
