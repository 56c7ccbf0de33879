#include "pulmoseg/metrics/bootstrap.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace pulmoseg::metrics {
namespace {

TEST(Bootstrap, SameSeedSameInterval) {
  const std::vector<double> values{0.31, 0.5, 0.93, 0.72, 0.1, 0.684, 0.2231, 0.8457};
  const auto interval = bootstrap_mean_ci95(values, 7);
  EXPECT_EQ(interval, bootstrap_mean_ci95(values, 7));
  EXPECT_NE(interval, bootstrap_mean_ci95(values, 8));
}

TEST(Bootstrap, KeepsItsDrawsForever) {
  // Published intervals must be found again by later versions: these numbers may not change.
  const auto interval = bootstrap_mean_ci95(std::vector{0.25, 0.5, 0.75, 1.0}, 0, 100);
  ASSERT_TRUE(interval);
  EXPECT_DOUBLE_EQ(interval->lower, 0.4375);
  EXPECT_NEAR(interval->upper, 0.9078125, 1e-12);
}

TEST(Bootstrap, HoldsTheMeanAndStaysInsideTheValues) {
  const std::vector<double> values{0.2, 0.4, 0.4, 0.6, 0.9, 0.8};
  const auto interval = bootstrap_mean_ci95(values);
  ASSERT_TRUE(interval);
  EXPECT_LT(interval->lower, 0.55);
  EXPECT_GT(interval->upper, 0.55);
  EXPECT_GE(interval->lower, 0.2);
  EXPECT_LE(interval->upper, 0.9);
}

TEST(Bootstrap, EqualValuesLeaveNoDoubt) {
  EXPECT_EQ(bootstrap_mean_ci95(std::vector{0.5, 0.5, 0.5}), (Interval{0.5, 0.5}));
}

TEST(Bootstrap, OneCaseSaysNothingAboutTheNext) {
  EXPECT_FALSE(bootstrap_mean_ci95(std::vector<double>{}));
  EXPECT_FALSE(bootstrap_mean_ci95(std::vector{0.7}));
}

TEST(Bootstrap, CoversTheTrueMeanAboutAsOftenAsItPromises) {
  std::mt19937_64 random(5);
  int covered = 0;
  constexpr int experiments = 400;
  for (int experiment = 0; experiment < experiments; ++experiment) {
    std::vector<double> values(30);
    for (double& value : values) value = static_cast<double>(random() >> 11) * 0x1p-53;  // uniform, mean 0.5
    const auto interval = bootstrap_mean_ci95(values, 0, 500);
    covered += interval->lower <= 0.5 && 0.5 <= interval->upper;
  }
  const double share = static_cast<double>(covered) / experiments;  // standard error about 0.011
  EXPECT_GT(share, 0.90);
  EXPECT_LT(share, 0.98);
}

}  // namespace
}  // namespace pulmoseg::metrics
