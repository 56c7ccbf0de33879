#include "pulmoseg/quantization/activation_range.hpp"

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::quantization {
namespace {

constexpr std::size_t bins = 8192;
constexpr int candidates = 128;  ///< of ranges, from 1/128 of the extremes to all of it

/// The smallest power of two that is above `value`: so a histogram that grows by doubling keeps its borders.
double power_above(double value) { return std::exp2(std::floor(std::log2(value)) + 1); }

}  // namespace

void Histogram::add(std::span<const float> values) {
  if (values.empty()) return;
  const auto [low, high] = std::ranges::minmax(values);
  const float largest = std::max(std::abs(low), std::abs(high));
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
    throw Error("values that are not finite");
  low_ = std::min(low_, low);
  high_ = std::max(high_, high);
  bins_.resize(bins);
  if (limit_ == 0) limit_ = power_above(std::max(largest, 1e-30F));
  while (largest >= limit_) {  // each bin takes two
    std::vector<std::int64_t> wider(bins);
    for (std::size_t i = 0; i < bins; ++i) wider[bins / 4 + i / 2] += bins_[i];
    bins_ = std::move(wider);
    limit_ *= 2;
  }
  const auto scale = static_cast<float>(bins / (2 * limit_));
  for (const float value : values) {
    const auto bin = static_cast<std::size_t>(value * scale + static_cast<float>(bins / 2));
    ++bins_[std::min(bin, bins - 1)];
  }
}

double Histogram::centre(std::size_t bin) const {
  return (static_cast<double>(bin) + 0.5 - static_cast<double>(bins) / 2) * 2 * limit_ / static_cast<double>(bins);
}

double Histogram::error_of(const Range& range, int levels) const {
  const double step = (double{range.high} - range.low) / (levels - 1), inside = step * step / 12;
  double error = 0;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const double value = centre(i), beyond = std::max({0.0, range.low - value, value - range.high});
    error += static_cast<double>(bins_[i]) * (beyond > 0 ? beyond * beyond : inside);
  }
  return error;
}

Range Histogram::best_range(int levels) const {
  Range best = extremes();
  double least = error_of(best, levels);
  for (int i = 1; i < candidates; ++i) {
    const float share = static_cast<float>(i) / candidates;
    const Range range{low_ * share, high_ * share};
    if (const double error = error_of(range, levels); error < least) {
      least = error;
      best = range;
    }
  }
  return best;
}

}  // namespace pulmoseg::quantization
