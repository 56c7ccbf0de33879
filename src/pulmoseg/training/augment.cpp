#include "pulmoseg/training/augment.hpp"

#include <cmath>

#include "pulmoseg/training/random.hpp"

namespace pulmoseg::training {

Orientation draw_orientation(const TrainingOptions& options, std::int64_t epoch, std::int64_t row) {
  Random random(RandomUse::augmentation,
                {options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(row)});
  Orientation orientation;
  orientation.flipped = random.uniform() < options.flip_probability;
  const int turns = static_cast<int>(random.below(4));
  if (options.quarter_turns) orientation.quarter_turns = turns;
  return orientation;
}

Intensity draw_intensity(const TrainingOptions& options, std::int64_t epoch, std::int64_t row) {
  Random random(RandomUse::intensity,
                {options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(row)});
  const auto within = [&](double bound) { return bound * (2 * random.uniform() - 1); };
  const double jitter = options.intensity_jitter;
  Intensity intensity;
  intensity.gamma = static_cast<float>(std::exp(within(jitter)));
  intensity.gain = static_cast<float>(1 + within(jitter / 2));
  intensity.offset = static_cast<float>(within(jitter / 4));
  return intensity;
}

void change_intensity(std::span<float> pixels, const Intensity& intensity) {
  for (float& pixel : pixels) pixel = intensity.gain * std::pow(pixel, intensity.gamma) + intensity.offset;
}

}  // namespace pulmoseg::training
