#pragma once
// Where to draw the line between lesion and the rest. On patients that it has not seen a network is less sure than on those of its
// training: it finds the middle of a lesion and not its rim. Lesion's logits can be shifted by a constant until the pooled Dice
// of the validation part, whose patients are new to it, is highest.

#include <torch/types.h>

#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/metrics/confusion.hpp"
#include "pulmoseg/training/process_group.hpp"

namespace pulmoseg::training {

/// By how much lesion's largest logit is above the largest of all others, over many pixels, in steps of 0.05.
/// Threads: one at a time.
class LesionMargins {
 public:
  explicit LesionMargins(const dataset::Region& lesion);

  /// logits N x C x H x W, targets N x H x W (int64), on any device.
  void add(const torch::Tensor& logits, const torch::Tensor& targets);
  void sum_over(const ProcessGroup& group);  ///< those of all ranks together

  /// What comes out when lesion's logits are shifted, by a whole number of steps; unshifted, the most probable class.
  metrics::ConfusionCounts counts(double shift = 0) const;

  /// From -2 to 2, that with the highest Dice, the nearest to 0 of equals; 0 where there is no lesion.
  double best_shift() const;

 private:
  torch::Tensor lesion_, others_, is_lesion_;  ///< their classes' numbers; 0 or 1 for each class
  torch::Tensor pixels_;                       ///< 2 x bins: not lesion by the target, lesion
};

/// Shifts lesion's logits of a network as long as this lives. `bias`: one for each class, added to the logits.
class ShiftedBias {
 public:
  ShiftedBias(torch::Tensor bias, const dataset::Region& lesion, double shift);
  ShiftedBias(const ShiftedBias&) = delete;
  ShiftedBias& operator=(const ShiftedBias&) = delete;
  ~ShiftedBias();

 private:
  torch::Tensor bias_, before_;
};

}  // namespace pulmoseg::training
