#pragma once
// What changes in the course of a run: the learning rate and the size of the images. Pure functions of how far the run is.

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
/// them for the first 60 % of the run and three quarters of them to 80 % (Howard in the DAWNBench entry of fast.ai, 2018).
std::int64_t image_size_at(double progress, std::int64_t size, const TrainingOptions& options);

/// Whether either changes in the course of a run: then another number of epochs is another run.
bool depends_on_length(const TrainingOptions& options);

}  // namespace pulmoseg::training
