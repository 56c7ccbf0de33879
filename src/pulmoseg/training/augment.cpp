#include "pulmoseg/training/augment.hpp"

#include <cmath>
#include <numbers>

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

Deformation draw_deformation(const TrainingOptions& options, std::int64_t epoch, std::int64_t row) {
  Random random(RandomUse::deformation,
                {options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(row)});
  const double degrees = options.rotation * (2 * random.uniform() - 1);
  return {.degrees = degrees, .scale = std::exp(std::log1p(options.scaling) * (2 * random.uniform() - 1))};
}

PixelSource::PixelSource(const Deformation& deformation, std::int64_t size)
    : centre_(0.5 * static_cast<double>(size - 1)),
      cosine_(std::cos(deformation.degrees * std::numbers::pi / 180) / deformation.scale),
      sine_(std::sin(deformation.degrees * std::numbers::pi / 180) / deformation.scale) {}

void deform(std::span<const float> in, std::span<float> out, std::int64_t size, const Deformation& deformation) {
  const PixelSource source(deformation, size);
  const auto pixel = [&](std::int64_t row, std::int64_t column) {
    const bool inside = row >= 0 && row < size && column >= 0 && column < size;
    return inside ? in[static_cast<std::size_t>(row * size + column)] : 0.0F;
  };
  for (std::int64_t row = 0; row < size; ++row) {
    for (std::int64_t column = 0; column < size; ++column) {
      const auto [from_row, from_column] = source.of(row, column);
      const auto upper = static_cast<std::int64_t>(std::floor(from_row)),
                 left = static_cast<std::int64_t>(std::floor(from_column));
      const auto down = static_cast<float>(from_row - static_cast<double>(upper)),
                 right = static_cast<float>(from_column - static_cast<double>(left));
      out[static_cast<std::size_t>(row * size + column)] =
          std::lerp(std::lerp(pixel(upper, left), pixel(upper, left + 1), right),
                    std::lerp(pixel(upper + 1, left), pixel(upper + 1, left + 1), right), down);
    }
  }
}

void deform(std::span<const std::uint8_t> in, std::span<std::uint8_t> out, std::int64_t size,
            const Deformation& deformation) {
  const PixelSource source(deformation, size);
  for (std::int64_t row = 0; row < size; ++row) {
    for (std::int64_t column = 0; column < size; ++column) {
      const auto [from_row, from_column] = source.of(row, column);
      const std::int64_t nearest_row = std::lround(from_row), nearest_column = std::lround(from_column);
      const bool inside = nearest_row >= 0 && nearest_row < size && nearest_column >= 0 && nearest_column < size;
      out[static_cast<std::size_t>(row * size + column)] =
          inside ? in[static_cast<std::size_t>(nearest_row * size + nearest_column)] : std::uint8_t{0};
    }
  }
}

}  // namespace pulmoseg::training
