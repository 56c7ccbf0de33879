#include "pulmoseg/training/loss.hpp"

#include <torch/torch.h>

namespace pulmoseg::training {

torch::Tensor segmentation_loss(const torch::Tensor& logits, const torch::Tensor& targets, double dice_weight) {
  const torch::Tensor log_probabilities = torch::log_softmax(logits, 1);
  const torch::Tensor cross_entropy = torch::nll_loss2d(log_probabilities, targets);
  if (dice_weight == 0) return cross_entropy;
  torch::Tensor dice = torch::zeros({}, logits.options());
  for (std::int64_t c = 1; c < logits.size(1); ++c) {
    const torch::Tensor predicted = log_probabilities.select(1, c).exp(),
                        truth = targets.eq(c).to(logits.scalar_type());
    dice = dice + (2 * (predicted * truth).sum() + 1) / (predicted.sum() + truth.sum() + 1);
  }
  return cross_entropy + dice_weight * (1 - dice / static_cast<double>(logits.size(1) - 1));
}

void Overlap::add(const torch::Tensor& logits, const torch::Tensor& targets, std::int64_t class_index) {
  const torch::Tensor found = logits.argmax(1).eq(class_index), truth = targets.eq(class_index);
  predicted += found.sum().item<std::int64_t>();
  true_pixels += truth.sum().item<std::int64_t>();
  both += found.logical_and(truth).sum().item<std::int64_t>();
}

std::optional<double> Overlap::dice() const {
  if (predicted + true_pixels == 0) return std::nullopt;
  return 2.0 * static_cast<double>(both) / static_cast<double>(predicted + true_pixels);
}

}  // namespace pulmoseg::training
