#include "pulmoseg/training/loss.hpp"

#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>

namespace pulmoseg::training {
namespace {

using torch::Tensor;

/// Two images of 2x2 pixels whose probabilities of the lesion are `probabilities`.
Tensor logits_of(const std::vector<double>& probabilities) {
  const Tensor p = torch::tensor(probabilities, torch::kFloat32).view({2, 1, 2, 2});
  return torch::cat({(1 - p).log(), p.log()}, 1);
}

const std::vector<double> probabilities{0.9, 0.2, 0.6, 0.5, 0.1, 0.3, 0.8, 0.25};
Tensor truth() { return torch::tensor({1, 0, 0, 1, 0, 0, 1, 0}, torch::kInt64).view({2, 2, 2}); }

Tensor loss(const Tensor& logits, const Tensor& targets, double dice_weight) {
  return segmentation_loss(loss_sums(logits, targets), dice_weight);
}

TEST(SegmentationLoss, IsTheMeanCrossEntropy) {
  const double sum = std::log(0.9) + std::log(0.8) + std::log(0.4) + std::log(0.5) + std::log(0.9) + std::log(0.7) +
                     std::log(0.8) + std::log(0.75);
  EXPECT_NEAR(loss(logits_of(probabilities), truth(), 0).item<double>(), -sum / 8, 1e-6);
  const Tensor logits = torch::randn({2, 3, 5, 4}), targets = torch::randint(0, 3, {2, 5, 4}, torch::kInt64);
  EXPECT_FLOAT_EQ(loss(logits, targets, 0).item<float>(),
                  torch::nn::functional::cross_entropy(logits, targets).item<float>());
}

TEST(SegmentationLoss, AddsTheSoftDiceOfTheWholeBatch) {
  const double both = 0.9 + 0.5 + 0.8, predicted = 0.9 + 0.2 + 0.6 + 0.5 + 0.1 + 0.3 + 0.8 + 0.25, lesion = 3;
  const double dice_loss = 1 - (2 * both + 1) / (predicted + lesion + 1);
  const Tensor logits = logits_of(probabilities);
  const double cross_entropy = loss(logits, truth(), 0).item<double>();
  EXPECT_NEAR(loss(logits, truth(), 0.5).item<double>(), cross_entropy + 0.5 * dice_loss, 1e-6);
}

TEST(SegmentationLoss, OfThreeClassesTakesTheMeanDiceOfTwo) {
  const Tensor logits = torch::randn({2, 3, 5, 4}), targets = torch::randint(0, 3, {2, 5, 4}, torch::kInt64);
  double dice = 0;
  for (const int c : {1, 2}) {
    const Tensor p = torch::softmax(logits, 1).select(1, c), t = targets.eq(c);
    dice += (2 * p.masked_select(t).sum().item<double>() + 1) / (p.sum() + t.sum() + 1).item<double>() / 2;
  }
  EXPECT_NEAR((loss(logits, targets, 2) - loss(logits, targets, 0)).item<double>(), 2 * (1 - dice), 1e-5);
}

TEST(SegmentationLoss, FocalCrossEntropyWeighsPixelsByTheirError) {
  double sum = 0;
  for (const double of_target : {0.9, 0.8, 0.4, 0.5, 0.9, 0.7, 0.8, 0.75})
    sum -= std::pow(1 - of_target, 2) * std::log(of_target);
  const Tensor sums = loss_sums(logits_of(probabilities), truth(), 2);
  EXPECT_NEAR(segmentation_loss(sums, 0).item<double>(), sum / 8, 1e-6);
  EXPECT_TRUE(torch::equal(sums.slice(0, 1), loss_sums(logits_of(probabilities), truth()).slice(0, 1)));
}

TEST(SegmentationLoss, OfPiecesIsThatOfTheWhole) {
  const Tensor logits = logits_of(probabilities);
  const Tensor sums = loss_sums(logits.slice(0, 0, 1), truth().slice(0, 0, 1)) +
                      loss_sums(logits.slice(0, 1, 2), truth().slice(0, 1, 2));
  EXPECT_NEAR(segmentation_loss(sums, 1).item<double>(), loss(logits, truth(), 1).item<double>(), 1e-6);
}

TEST(SegmentationLoss, OfABatchWithoutLesionIsFinite) {
  const Tensor nothing = torch::zeros({2, 2, 2}, torch::kInt64);
  Tensor logits = torch::zeros({2, 2, 2, 2});
  logits.select(1, 0).fill_(200);
  logits.requires_grad_();
  const Tensor found = loss(logits, nothing, 1);
  found.backward();
  EXPECT_NEAR(found.item<double>(), 0, 1e-6);  // nothing there, nothing found
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace pulmoseg::training
