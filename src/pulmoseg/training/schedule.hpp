#pragma once
// What changes in the course of a run: learning rate, image size, BatchNorm's mode. Pure functions of how far the run is.

#include <cstdint>

#include "pulmoseg/training/options.hpp"

namespace pulmoseg::training {

/// `progress`: the share of the run's steps that are done, 0 to 1.
///
/// Schedule::constant: the options' learning rate throughout. Schedule::cosine: half a cosine wave from there down to zero
/// (Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts). With either, the rate first rises in a straight line for
/// the options' warm-up (Goyal et al., "Accurate, Large Minibatch SGD", 2017).
double learning_rate_at(double progress, const TrainingOptions& options);

/// Rows and columns of the images that the network is shown: `size`, those of the dataset, but with progressive sizes half of
/// them for the first third of the run (after Howard in the DAWNBench entry of fast.ai, 2018).
std::int64_t image_size_at(double progress, std::int64_t size, const TrainingOptions& options);

/// Whether BatchNorm keeps its running statistics and trains with them instead of the batch's. A batch mixes patients, and its
/// statistics hide how these differ in brightness and field of view; a network that has never seen the difference may fail on
/// new patients (docs/training.md has a case).
bool is_batch_norm_frozen_at(double progress, const TrainingOptions& options);

/// Whether any of these changes in the course of a run: then another number of epochs is another run.
bool depends_on_length(const TrainingOptions& options);

}  // namespace pulmoseg::training
