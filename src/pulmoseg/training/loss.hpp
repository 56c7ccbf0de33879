#pragma once
// What training makes small.

#include <torch/types.h>

#include <cstdint>

namespace pulmoseg::training {

/// What the loss is made of. Adds up over pieces of a batch, over batches and over ranks.
///
/// C x 2: {cross-entropy, pixels}, then for each class c but background {2 sum(p t), sum(p) + sum(t)}, p the probability of c
/// and t 1 where the target is c. logits N x C x H x W, float32; targets N x H x W, int64.
///
/// `focus` from 1: each pixel's cross-entropy is multiplied by (1 - p of its target) to this power, so that pixels which are right
/// already count little (Lin et al., "Focal Loss for Dense Object Detection", 2017, their gamma).
torch::Tensor loss_sums(const torch::Tensor& logits, const torch::Tensor& targets, double focus = 0);

/// Mean cross-entropy over the pixels, plus `dice_weight` times (1 - soft Dice), where soft Dice is the mean over the
/// classes but background of (2 sum(p t) + 1) / (sum(p) + sum(t) + 1) (Milletari et al., "V-Net", 2016; the 1 gives an image
/// without lesion a meaning).
torch::Tensor segmentation_loss(const torch::Tensor& sums, double dice_weight);

}  // namespace pulmoseg::training
