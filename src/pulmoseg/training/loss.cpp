#include "pulmoseg/training/loss.hpp"

#include <torch/types.h>

#include <vector>

namespace pulmoseg::training {

namespace {

torch::Tensor sum_of_cross_entropy(const torch::Tensor& log_probabilities, const torch::Tensor& targets, double focus) {
  if (focus == 0) return torch::nll_loss2d(log_probabilities, targets, {}, at::Reduction::Sum);
  const torch::Tensor of_pixels = torch::nll_loss2d(log_probabilities, targets, {}, at::Reduction::None);
  return ((1 - (-of_pixels).exp()).pow(focus) * of_pixels).sum();
}

}  // namespace

torch::Tensor loss_sums(const torch::Tensor& logits, const torch::Tensor& targets, double focus) {
  const torch::Tensor log_probabilities = torch::log_softmax(logits, 1);
  const torch::Tensor cross_entropy = sum_of_cross_entropy(log_probabilities, targets, focus);
  std::vector<torch::Tensor> sums{cross_entropy, torch::full_like(cross_entropy, targets.numel())};
  for (std::int64_t c = 1; c < logits.size(1); ++c) {
    const torch::Tensor predicted = log_probabilities.select(1, c).exp(),
                        truth = targets.eq(c).to(logits.scalar_type());
    sums.insert(sums.end(), {2 * (predicted * truth).sum(), predicted.sum() + truth.sum()});
  }
  return torch::stack(sums).view({-1, 2});
}

torch::Tensor segmentation_loss(const torch::Tensor& sums, double dice_weight) {
  const torch::Tensor cross_entropy = sums[0][0] / sums[0][1];
  if (dice_weight == 0) return cross_entropy;
  const torch::Tensor smoothed = sums.slice(0, 1) + 1;
  return cross_entropy + dice_weight * (1 - (smoothed.select(1, 0) / smoothed.select(1, 1)).mean());
}

}  // namespace pulmoseg::training
