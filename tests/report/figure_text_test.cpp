#include "pulmoseg/report/figure_text.hpp"

#include <gtest/gtest.h>

namespace pulmoseg::report {
namespace {

TEST(FigureText, HasThreeDigitsThatCount) {
  EXPECT_EQ(digits(0), "0");
  EXPECT_EQ(digits(1234.6), "1235");
  EXPECT_EQ(digits(99.6), "100");
  EXPECT_EQ(digits(99.4), "99.4");
  EXPECT_EQ(digits(9.96), "10.0");
  EXPECT_EQ(digits(-0.126), "-0.13");
  EXPECT_EQ(digits(6480526752000), "6.48e+12");
}

TEST(FigureText, WhatIsNotZeroDoesNotLookLikeZero) {
  EXPECT_EQ(digits(0.005), "0.01");
  EXPECT_EQ(digits(0.0049), "0.005");
  EXPECT_EQ(digits(-0.00002), "-0.00002");
  EXPECT_EQ(digits_like(4000, 0.3), "0.3");
  EXPECT_EQ(percent_text(0), "0.0 %");
  EXPECT_EQ(percent_text(0.04), "0.04 %");
  EXPECT_EQ(percent_text(0.05), "0.1 %");
  EXPECT_EQ(percent_text(std::nullopt), "unknown");
}

TEST(FigureText, FiguresBesideEachOtherHaveTheSameDecimals) {
  EXPECT_EQ(digits_like(6532, -59.9), "-60");
  EXPECT_EQ(digits_like(10.1, 0.75), "0.8");
  EXPECT_EQ(digits_like(4.1, 0.0), "0.00");
}

TEST(FigureText, Signs) {
  EXPECT_EQ(with_minus("-1050 to -950"), "−1050 to −950");
  EXPECT_EQ(capitalised("a b"), "A b");
  EXPECT_EQ(capitalised("ä"), "ä");
  EXPECT_EQ(capitalised(""), "");
}

}  // namespace
}  // namespace pulmoseg::report
