#include "pulmoseg/training/weight_average.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::training {

WeightAverage::WeightAverage(torch::nn::Module& network, double half_life) : half_life_(half_life) {
  const torch::NoGradGuard no_gradients;
  const auto add = [this](const std::string& name, const torch::Tensor& tensor) {
    names_.push_back(name);
    network_.push_back(tensor);
    average_.push_back(tensor.detach().clone());
  };
  for (const auto& parameter : network.named_parameters()) add(parameter.key(), parameter.value());
  for (const auto& buffer : network.named_buffers()) add(buffer.key(), buffer.value());
}

void WeightAverage::update(std::int64_t step) {
  if ((step + 1) % steps_between != 0) return;
  const torch::NoGradGuard no_gradients;
  // In the first steps a mean of all there were, so that the random beginning is soon forgotten.
  const double updates = static_cast<double>(step + 1) / steps_between;
  const double share = std::max(1 - std::exp2(-steps_between / half_life_), 1 / (updates + 1));
  std::vector<torch::Tensor> averages, weights;
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (!network_[i].is_floating_point()) {
      average_[i].copy_(network_[i]);
      continue;
    }
    averages.push_back(average_[i]);
    weights.push_back(network_[i].detach());
  }
  at::_foreach_lerp_(averages, weights, share);
}

void WeightAverage::exchange() {
  for (std::size_t i = 0; i < network_.size(); ++i) {
    const torch::Tensor held = network_[i].detach();
    network_[i].set_data(average_[i]);
    average_[i] = held;
  }
  exchanged_ = !exchanged_;
}

model::StateDict WeightAverage::named(const std::vector<torch::Tensor>& tensors) const {
  model::StateDict state;
  for (std::size_t i = 0; i < names_.size(); ++i) state.emplace_back(names_[i], tensors[i].detach());
  return state;
}

void WeightAverage::load_averaged(const model::StateDict& state, const std::string& source) {
  const torch::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const torch::Tensor* stored = model::find(state, names_[i]);
    if (!stored || stored->sizes() != average_[i].sizes()) {
      throw Error(fmt::format("{}: the average of {} is {}, expected {}; it is a checkpoint of another run", source,
                              names_[i], stored ? model::describe_shape(stored->sizes()) : "missing",
                              model::describe_shape(average_[i].sizes())));
    }
    average_[i].copy_(*stored);
  }
}

}  // namespace pulmoseg::training
