#include "pulmoseg/quantization/activation_range.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::quantization {
namespace {

/// By doing it: every value to the nearest of 256 and back.
double error_of_doing(const std::vector<float>& values, const Range& range) {
  const double step = (double{range.high} - range.low) / 255, zero = std::round(-range.low / step);
  double error = 0;
  for (const float value : values) {
    const double whole = std::clamp(std::round(value / step) + zero, 0.0, 255.0);
    error += std::pow((whole - zero) * step - value, 2);
  }
  return error;
}

Range best(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values);
  return histogram.best_range();
}

std::vector<float> normal(std::size_t count, float deviation) {
  std::mt19937 random(3);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return distribution(random); });
  return values;
}

TEST(Histogram, EvenValuesKeepTheirWholeRange) {
  std::vector<float> values;
  for (int i = 0; i <= 1000; ++i) values.push_back(static_cast<float>(i) / 100);
  const Range range = best(values);
  EXPECT_EQ(range.low, 0);
  EXPECT_GT(range.high, 9.8F);
  EXPECT_LE(range.high, 10);
}

TEST(Histogram, TheBestRangeIsBestWhenItIsDone) {
  // As after a ReLU, with a long tail: the more values, the farther out is the last.
  std::mt19937 random(5);
  std::exponential_distribution<float> distribution(1);
  std::vector<float> values(1'000'000);
  std::ranges::generate(values, [&] { return distribution(random); });
  const float largest = *std::ranges::max_element(values);
  const Range range = best(values);
  EXPECT_LT(range.high, 0.9F * largest);
  const double error = error_of_doing(values, range);
  for (const float share : {0.1F, 0.3F, 0.5F, 0.6F, 0.7F, 0.8F, 0.9F, 1.0F})
    EXPECT_LT(error, 1.02 * error_of_doing(values, {0, share * largest})) << share;
}

TEST(Histogram, GrowsWithItsValues) {
  const std::vector<float> small = normal(5000, 0.01F), large = normal(5000, 30);
  Histogram rising, falling;
  rising.add(small);
  rising.add(large);
  falling.add(large);
  falling.add(small);
  EXPECT_EQ(rising.extremes(), falling.extremes());
  EXPECT_NEAR(rising.best_range().high, falling.best_range().high, 0.02 * falling.best_range().high);
}

TEST(Histogram, OfNothingAndOfZeros) {
  EXPECT_EQ(Histogram().best_range(), (Range{0, 0}));
  EXPECT_EQ(best({0, 0, 0}), (Range{0, 0}));
}

TEST(Histogram, RefusesWhatIsNoNumber) {
  Histogram histogram;
  EXPECT_THROW(histogram.add(std::vector{1.0F, std::numeric_limits<float>::quiet_NaN()}), Error);
  EXPECT_THROW(histogram.add(std::vector{std::numeric_limits<float>::infinity()}), Error);
}

}  // namespace
}  // namespace pulmoseg::quantization
