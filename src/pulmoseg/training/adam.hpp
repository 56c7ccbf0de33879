#pragma once
// The optimiser, with its state in plain sight so that a checkpoint can hold it exactly.

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::training {

/// Adam (Kingma & Ba, ICLR 2015), computed by the kernel of torch.optim.Adam(fused=True): betas 0.9 and 0.999, epsilon 1e-8,
/// no weight decay. Moments are float32 and laid out in memory as their parameters.
class Adam {
 public:
  Adam(const torch::nn::Module& network, double learning_rate);

  void zero_gradients();  ///< forgets them, so that backward() writes instead of adding
  void step();

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double rate) { learning_rate_ = rate; }

  /// "step", then "NAME.exp_avg" and "NAME.exp_avg_sq" of every parameter. The tensors are the optimiser's own, not copies.
  model::StateDict state_dict() const;
  /// Error, beginning with `source`, when an entry is missing or has another shape.
  void load_state_dict(const model::StateDict& state, const std::string& source);

 private:
  double learning_rate_;
  std::vector<std::string> names_;
  std::vector<torch::Tensor> parameters_, first_moments_, second_moments_, steps_;
};

}  // namespace pulmoseg::training
