#pragma once
// An exponential moving average of a network's weights in the course of its training.

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::training {

/// The averaged weights answer more steadily than those of any single step (Polyak & Juditsky, "Acceleration of Stochastic
/// Approximation by Averaging", 1992; Tarvainen & Valpola, "Mean teachers", 2017). Running statistics are averaged with
/// them; counters are taken as they are. Updated every `steps_between` steps only: reading and writing all weights costs a
/// small step several percent. Threads: one at a time.
class WeightAverage {
 public:
  static constexpr int steps_between = 4;

  /// Begins as a copy of the network. `half_life`: the steps after which a weight's share in the average has halved.
  WeightAverage(torch::nn::Module& network, double half_life);

  void update(std::int64_t step);  ///< after each step, counted from 0 over the whole run

  /// While one lives, the network has the averaged weights. No copy is made.
  class InNetwork {
   public:
    explicit InNetwork(WeightAverage& average) : average_(average) { average_.exchange(); }
    InNetwork(const InNetwork&) = delete;
    InNetwork& operator=(const InNetwork&) = delete;
    ~InNetwork() { average_.exchange(); }

   private:
    WeightAverage& average_;
  };

  /// The weights that are trained, and their average, under the network's own names. Not copies.
  model::StateDict trained() const { return named(exchanged_ ? average_ : network_); }
  model::StateDict averaged() const { return named(exchanged_ ? network_ : average_); }
  /// Error, beginning with `source`, when an entry is missing or has another shape.
  void load_averaged(const model::StateDict& state, const std::string& source);

 private:
  void exchange();
  model::StateDict named(const std::vector<torch::Tensor>& tensors) const;

  double half_life_;
  std::vector<std::string> names_;
  std::vector<torch::Tensor> network_, average_;
  bool exchanged_ = false;
};

}  // namespace pulmoseg::training
