#include "pulmoseg/report/axis.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace pulmoseg::report {
namespace {

std::vector<std::string> texts(const Axis& axis) {
  std::vector<std::string> all;
  for (const auto& tick : axis.ticks) {
    if (!tick.text.empty()) all.push_back(tick.text);
  }
  return all;
}

using Texts = std::vector<std::string>;

TEST(Axis, HasRoundEndsAndTicks) {
  const Axis axis = make_axis(std::vector{0.013, 0.187}, {});
  EXPECT_EQ(axis.low, 0);
  EXPECT_NEAR(axis.high, 0.2, 1e-12);
  EXPECT_EQ(texts(axis), (Texts{"0.00", "0.05", "0.10", "0.15", "0.20"}));
}

TEST(Axis, StaysAwayFromZeroWhereTheValuesAre) {
  const Axis axis = make_axis(std::vector{97.2, 99.1}, {});
  EXPECT_EQ(texts(axis), (Texts{"97.0", "97.5", "98.0", "98.5", "99.0", "99.5"}));
}

TEST(Axis, NegativeNumbersHaveAMinusSign) {
  EXPECT_EQ(texts(make_axis(std::vector{-2.0, 2.0}, {.most_ticks = 4})), (Texts{"−2", "−1", "0", "1", "2"}));
}

TEST(Axis, WholeNumbersGetNoFractions) {
  EXPECT_EQ(texts(make_axis(std::vector{1.0, 2.0, 3.0}, {.whole_numbers = true, .most_ticks = 12})),
            (Texts{"1", "2", "3"}));
  EXPECT_EQ(texts(make_axis(std::vector{1.0}, {.whole_numbers = true})), (Texts{"0", "1", "2"}));
}

TEST(Axis, OneValueLiesWithin) {
  for (const double value : {0.0, 0.2, -5.0, 1e-9}) {
    const Axis axis = make_axis(std::vector{value}, {});
    EXPECT_LT(axis.low, axis.high);
    EXPECT_GE(axis.position(value), 0);
    EXPECT_LE(axis.position(value), 1);
  }
}

TEST(Axis, LeavesOutWhatIsNotFinite) {
  const Axis axis = make_axis(std::vector{1.0, std::nan(""), HUGE_VAL, 3.0}, {});
  EXPECT_EQ(axis.high, 3);
  EXPECT_EQ(make_axis(std::vector{std::nan("")}, {}).high, 1);
  EXPECT_EQ(make_axis({}, {}).low, 0);
}

TEST(Axis, KeepsTheRangeAskedFor) {
  const Axis axis = make_axis(std::vector{5.0, 9.0}, {.range = AxisRange{0, 1}});
  EXPECT_EQ(axis.low, 0);
  EXPECT_EQ(axis.high, 1);
  EXPECT_EQ(texts(axis), (Texts{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}));
  EXPECT_EQ(make_axis(std::vector{5.0, 9.0}, {.range = AxisRange{1, 1}}).high, 9);  // empty: ignored
}

TEST(Axis, LogarithmicTicksAreOneTwoFive) {
  const Axis axis = make_axis(std::vector{0.0061, 0.163, -1.0, 0.0}, {.logarithmic = true, .most_ticks = 10});
  EXPECT_EQ(texts(axis), (Texts{"0.005", "0.01", "0.02", "0.05", "0.1", "0.2"}));
  EXPECT_NEAR(axis.position(std::sqrt(0.005 * 0.2)), 0.5, 1e-9);
}

TEST(Axis, ManyDecadesNameOnlyPowersOfTen) {
  const Axis axis = make_axis(std::vector{1e-6, 1.0}, {.logarithmic = true, .most_ticks = 6});
  EXPECT_EQ(texts(axis), (Texts{"1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1", "1"}));
}

}  // namespace
}  // namespace pulmoseg::report
