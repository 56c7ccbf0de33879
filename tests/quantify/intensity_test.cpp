#include "pulmoseg/quantify/intensity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/quantify/inspection.hpp"
#include "support/data.hpp"

namespace pulmoseg::quantify {
namespace {

IntensityStatistics statistics(const std::vector<float>& values) {
  IntensityAccumulator accumulator;
  accumulator.add_slice(0, values);
  return accumulator.finish();
}

TEST(Intensity, PercentilesOfWholeNumbersAreExact) {
  std::vector<float> values;
  for (int value = -1024; value <= 3071; ++value) values.push_back(static_cast<float>(value));
  std::reverse(values.begin() + 100, values.end() - 7);
  const auto found = statistics(values);
  EXPECT_EQ(found.minimum, -1024);
  EXPECT_EQ(found.maximum, 3071);
  EXPECT_EQ(found.percentile_1, -1024 + 40);  // 41 of 4096 values are at or below it
  EXPECT_EQ(found.median, -1024 + 2047);
  EXPECT_EQ(found.percentile_99, -1024 + 4055);
  EXPECT_DOUBLE_EQ(found.mean, 1023.5);
  EXPECT_NEAR(found.standard_deviation, std::sqrt((4096.0 * 4096 - 1) / 12), 1e-6);
  EXPECT_TRUE(found.whole_numbers);
}

TEST(Intensity, PercentilesOfFractionsAreNear) {
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) values.push_back(-2.0F + 4.0F * static_cast<float>(i) / 100000);
  const auto found = statistics(values);
  EXPECT_NEAR(found.percentile_1, -1.96, 1.96 / 2000);
  EXPECT_NEAR(found.median, 0, 1e-4);
  EXPECT_NEAR(found.percentile_99, 1.96, 1.96 / 2000);
  EXPECT_FALSE(found.whole_numbers);
}

TEST(Intensity, NamesTheScale) {
  EXPECT_EQ(statistics({-1000, -500, 40, 700}).scale, IntensityScale::hounsfield);
  EXPECT_EQ(statistics({-3024, -887.5F, 40, 1576}).scale, IntensityScale::hounsfield);
  EXPECT_EQ(statistics({0, 24, 1064, 2000}).scale, IntensityScale::shifted);
  EXPECT_EQ(statistics({0, 13, 255}).scale, IntensityScale::eight_bit);
  EXPECT_EQ(statistics({0, 0.5F, 1}).scale, IntensityScale::unit);
  EXPECT_EQ(statistics({0, 1, 3}).scale, IntensityScale::labels);
  EXPECT_EQ(statistics({-200, 0, 200}).scale, IntensityScale::unknown);
}

TEST(Intensity, FindsConstantAndFullRangeSlices) {
  IntensityAccumulator accumulator;
  accumulator.add_slice(3, std::vector<float>{5, 5});
  accumulator.add_slice(2, std::vector<float>{0, 255});
  accumulator.add_slice(1, std::vector<float>{7, 7});
  const auto found = accumulator.finish();
  EXPECT_EQ(found.constant_slices, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(found.full_range_slices, 1);
}

TEST(Intensity, RefusesNothing) { EXPECT_THROW(IntensityAccumulator().finish(), Error); }

// The expected values are NumPy's: percentile(..., method="inverted_cdf"), mean and std in float64 (NumPy 2.4.6,
// nibabel 5.4.2).
TEST(Intensity, AgreesWithNumpyOnRealSlices) {
  const auto found = inspect_volume(test::repository_file("data/medseg/tr_im.nii.gz")).intensities;
  EXPECT_EQ(found.minimum, 0);
  EXPECT_EQ(found.maximum, 255);
  EXPECT_EQ(found.percentile_1, 0);
  EXPECT_EQ(found.median, 181);
  EXPECT_EQ(found.percentile_99, 254);
  EXPECT_NEAR(found.mean, 143.19309446546765, 1e-9);
  EXPECT_NEAR(found.standard_deviation, 82.31546320410065, 1e-9);
}

TEST(Intensity, AgreesWithNumpyOnRealHounsfieldUnits) {
  PULMOSEG_REQUIRE_DATA("hu/tb-001.nii.gz");
  const auto found = inspect_volume(test::development_data("hu/tb-001.nii.gz")).intensities;
  EXPECT_EQ(found.percentile_1, -3024);
  EXPECT_NEAR(found.median, -887, 887 * 5e-4);
  EXPECT_NEAR(found.percentile_99, 384, 384 * 5e-4);
  EXPECT_NEAR(found.mean, -1003.398060798645, 1e-6);
  EXPECT_NEAR(found.standard_deviation, 1134.9568752908654, 1e-6);
  EXPECT_EQ(found.scale, IntensityScale::hounsfield);
}

}  // namespace
}  // namespace pulmoseg::quantify
