#include "pulmoseg/quantify/intensity.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::quantify {
namespace {

constexpr int kept_bits = 20, dropped_bits = 32 - kept_bits;
constexpr std::uint32_t sign = 1u << (kept_bits - 1);

/// The leading bits of a number, turned so that a larger number never has a smaller key.
std::uint32_t key_of(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value) >> dropped_bits;
  return bits & sign ? (sign << 1) - 1 - bits : bits | sign;
}

/// The number nearest to 0 that has this key.
float value_of(std::uint32_t key) {
  const std::uint32_t bits = key & sign ? key & ~sign : (sign << 1) - 1 - key;
  return std::bit_cast<float>(bits << dropped_bits);
}

/// Without the call that std::nearbyint is on processors of old: every float from 2^24 on is whole.
bool is_whole(float value) {
  return std::abs(value) >= 0x1p24F || static_cast<float>(static_cast<std::int32_t>(value)) == value;
}

struct Summary {
  float low, high;
  double sum, sum_of_squares;
};

/// In several sums side by side, as a processor adds.
Summary summary_of(std::span<const float> pixels) {
  constexpr std::size_t lanes = 8;
  std::array<float, lanes> low, high;
  low.fill(pixels.front());
  high.fill(pixels.front());
  std::array<double, lanes> sum{}, squares{};
  const auto add = [&](std::size_t lane, float pixel) {
    low[lane] = std::min(low[lane], pixel);
    high[lane] = std::max(high[lane], pixel);
    const double value = pixel;
    sum[lane] += value;
    squares[lane] += value * value;
  };
  std::size_t i = 0;
  for (; i + lanes <= pixels.size(); i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) add(lane, pixels[i + lane]);
  }
  for (std::size_t lane = 0; i < pixels.size(); ++i, ++lane) add(lane, pixels[i]);
  return {std::ranges::min(low), std::ranges::max(high), std::accumulate(sum.begin(), sum.end(), 0.0),
          std::accumulate(squares.begin(), squares.end(), 0.0)};
}

/// The smallest value with at least `part` of all voxels at or below it.
double percentile(const std::vector<std::int64_t>& histogram, std::int64_t voxels, double part) {
  const auto wanted =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(part * static_cast<double>(voxels))));
  std::int64_t seen = 0;
  for (std::uint32_t key = 0; key < histogram.size(); ++key) {
    seen += histogram[key];
    if (seen >= wanted) return value_of(key);
  }
  return value_of(static_cast<std::uint32_t>(histogram.size() - 1));
}

IntensityScale scale_of(const IntensityStatistics& facts) {
  if (facts.minimum <= -900 && facts.maximum >= 0 && facts.maximum <= 32767) return IntensityScale::hounsfield;
  if (facts.minimum < 0) return IntensityScale::unknown;
  if (facts.whole_numbers && facts.maximum <= 9) return IntensityScale::labels;
  if (facts.maximum <= 1) return IntensityScale::unit;
  if (facts.maximum <= 255) return IntensityScale::eight_bit;
  if (facts.whole_numbers && facts.maximum >= 1000 && facts.maximum <= 65535) return IntensityScale::shifted;
  return IntensityScale::unknown;
}

}  // namespace

std::string_view describe(IntensityScale scale) {
  switch (scale) {
    case IntensityScale::hounsfield: return "Hounsfield units";
    case IntensityScale::shifted: return "whole numbers from 0 up: raw scanner values, not Hounsfield units";
    case IntensityScale::eight_bit: return "within 0 to 255: a picture, not Hounsfield units";
    case IntensityScale::unit: return "within 0 to 1: scaled, not Hounsfield units";
    case IntensityScale::labels: return "a few small whole numbers: a mask";
    case IntensityScale::unknown: break;
  }
  return "an unknown scale, not Hounsfield units";
}

IntensityAccumulator::IntensityAccumulator()
    : minimum_(std::numeric_limits<double>::infinity()), maximum_(-minimum_), histogram_(std::size_t{1} << kept_bits) {}

void IntensityAccumulator::add_slice(std::int64_t index, std::span<const float> pixels) {
  if (pixels.empty()) return;
  const Summary slice = summary_of(pixels);
  ranges_.push_back({index, slice.low, slice.high});
  minimum_ = std::min<double>(minimum_, slice.low);
  maximum_ = std::max<double>(maximum_, slice.high);
  sum_ += slice.sum;
  sum_of_squares_ += slice.sum_of_squares;
  for (const float pixel : pixels) ++histogram_[key_of(pixel)];
  whole_numbers_ = whole_numbers_ && std::ranges::all_of(pixels, is_whole);
  voxels_ += static_cast<std::int64_t>(pixels.size());
}

IntensityStatistics IntensityAccumulator::finish() const {
  if (voxels_ == 0) throw Error("no voxel was given, so there are no statistics");
  IntensityStatistics facts;
  facts.voxels = voxels_;
  facts.minimum = minimum_;
  facts.maximum = maximum_;
  facts.mean = sum_ / static_cast<double>(voxels_);
  facts.standard_deviation =
      std::sqrt(std::max(0.0, sum_of_squares_ / static_cast<double>(voxels_) - facts.mean * facts.mean));
  const auto within = [&](double part) {
    return std::clamp(percentile(histogram_, voxels_, part), minimum_, maximum_);
  };
  facts.percentile_1 = within(0.01);
  facts.median = within(0.5);
  facts.percentile_99 = within(0.99);
  facts.whole_numbers = whole_numbers_;
  for (const auto& range : ranges_) {
    if (range.low == range.high) facts.constant_slices.push_back(range.index);
    facts.full_range_slices += range.low == minimum_ && range.high == maximum_;
  }
  std::sort(facts.constant_slices.begin(), facts.constant_slices.end());
  facts.scale = scale_of(facts);
  return facts;
}

}  // namespace pulmoseg::quantify
