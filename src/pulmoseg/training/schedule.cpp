#include "pulmoseg/training/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pulmoseg::training {

double learning_rate_at(double progress, const TrainingOptions& options) {
  const double warmth = options.warm_up > 0 ? std::min(1.0, progress / options.warm_up) : 1.0;
  if (options.schedule == Schedule::constant) return options.learning_rate * warmth;
  const double after_warm_up = std::max(0.0, progress - options.warm_up) / (1 - options.warm_up);
  return options.learning_rate * warmth * 0.5 * (1 + std::cos(std::numbers::pi * after_warm_up));
}

std::int64_t image_size_at(double progress, std::int64_t size, const TrainingOptions& options) {
  return options.progressive_size && 3 * progress < 1 ? (size + 1) / 2 : size;
}

bool is_batch_norm_frozen_at(double progress, const TrainingOptions& options) {
  return progress >= 1 - options.freeze_batch_norm;
}

bool depends_on_length(const TrainingOptions& options) {
  return options.schedule != Schedule::constant || options.warm_up > 0 || options.progressive_size ||
         options.freeze_batch_norm > 0;
}

}  // namespace pulmoseg::training
