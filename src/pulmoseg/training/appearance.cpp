#include "pulmoseg/training/appearance.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "pulmoseg/dataset/clahe.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/training/random.hpp"

namespace pulmoseg::training {
namespace {

void coarsen(std::span<float> pixels, std::int64_t size, double resolution) {
  const auto small = std::max<std::int64_t>(std::lround(static_cast<double>(size) * resolution), 1);
  std::vector<float> shrunk(static_cast<std::size_t>(small * small));
  dataset::resize_bilinear(pixels, size, size, shrunk, small, small);
  dataset::resize_bilinear(shrunk, small, small, pixels, size, size);
}

/// Of a Gaussian, from its middle outwards to three standard deviations; the two sides together weigh 1.
std::vector<float> gaussian(double deviation) {
  std::vector<float> weights;
  double sum = 0;
  for (double x = 0; x <= std::ceil(3 * deviation); ++x) {
    const double weight = std::exp(-x * x / (2 * deviation * deviation));
    weights.push_back(static_cast<float>(weight));
    sum += x == 0 ? weight : 2 * weight;
  }
  for (float& weight : weights) weight = static_cast<float>(weight / sum);
  return weights;
}

/// Along rows, and the answer turned: twice is along both axes. Beyond the border lies the border's pixel.
void blur_rows(std::span<const float> in, std::span<float> turned, std::int64_t size, std::span<const float> weights) {
  for (std::int64_t row = 0; row < size; ++row) {
    const auto pixel = [&](std::int64_t column) {
      return in[static_cast<std::size_t>(row * size + std::clamp<std::int64_t>(column, 0, size - 1))];
    };
    for (std::int64_t column = 0; column < size; ++column) {
      float sum = weights[0] * pixel(column);
      for (std::int64_t k = 1; k < std::ssize(weights); ++k)
        sum += weights[static_cast<std::size_t>(k)] * (pixel(column - k) + pixel(column + k));
      turned[static_cast<std::size_t>(column * size + row)] = sum;
    }
  }
}

void blur(std::span<float> pixels, std::int64_t size, double deviation) {
  const std::vector<float> weights = gaussian(deviation);
  std::vector<float> turned(pixels.size());
  blur_rows(pixels, turned, size, weights);
  blur_rows(turned, pixels, size, weights);
}

/// Two normal numbers at a time (Box & Muller, 1958).
void add_noise(std::span<float> pixels, double deviation, std::uint64_t key) {
  Random random(RandomUse::noise, {key});
  for (std::size_t i = 0; i < pixels.size(); i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(1 - random.uniform()));
    const double angle = 2 * std::numbers::pi * random.uniform();
    pixels[i] += static_cast<float>(radius * std::cos(angle));
    if (i + 1 < pixels.size()) pixels[i + 1] += static_cast<float>(radius * std::sin(angle));
  }
}

void mix_in_equalised(std::span<float> pixels, std::int64_t size, const Appearance& appearance) {
  std::vector<float> equalised(pixels.begin(), pixels.end());
  dataset::equalise(equalised, size, size, {.clip_limit = appearance.clip_limit});
  const auto share = static_cast<float>(appearance.equalisation);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = std::lerp(pixels[i], equalised[i], share);
}

}  // namespace

Appearance draw_appearance(const TrainingOptions& options, std::int64_t epoch, std::int64_t row) {
  Random random(RandomUse::appearance,
                {options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(row)});
  const bool changed = random.uniform() < options.appearance;
  // All are drawn whether they are used or not, so that one does not shift the others.
  const auto sometimes = [&](double share, double up_to) {
    const bool used = random.uniform() < share;
    const double value = up_to * random.uniform();
    return used ? value : 0;
  };
  Appearance appearance;
  appearance.resolution = 1 - sometimes(1.0 / 3, 0.75);
  appearance.blur = sometimes(1.0 / 3, 1);
  appearance.noise = sometimes(1.0 / 3, 0.05);
  appearance.window_low = sometimes(0.5, 0.15);
  appearance.window_high = 1 - sometimes(0.5, 0.15);
  appearance.gamma = std::exp(0.35 * (2 * random.uniform() - 1));
  appearance.equalisation = sometimes(1.0 / 3, 1);
  appearance.clip_limit = 1 + 3 * random.uniform();
  appearance.noise_key = random.next();
  return changed ? appearance : Appearance{};
}

void change_appearance(std::span<float> pixels, std::int64_t size, const Appearance& appearance) {
  if (appearance.resolution < 1) coarsen(pixels, size, appearance.resolution);
  if (appearance.blur > 0) blur(pixels, size, appearance.blur);
  if (appearance.noise > 0) add_noise(pixels, appearance.noise, appearance.noise_key);
  const auto low = static_cast<float>(appearance.window_low), range = static_cast<float>(appearance.window_high) - low;
  const auto gamma = static_cast<float>(appearance.gamma);
  for (float& pixel : pixels) pixel = std::pow(std::clamp((pixel - low) / range, 0.0F, 1.0F), gamma);
  if (appearance.equalisation > 0) mix_in_equalised(pixels, size, appearance);
  dataset::min_max_scale(pixels);
}

}  // namespace pulmoseg::training
