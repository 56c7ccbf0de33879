#include "pulmoseg/metrics/agreement.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

const std::vector<double> truth{2, 9, 4, 30, 12};

TEST(Agreement, OfTheTruthWithItselfIsPerfect) {
  const auto agreement = bland_altman(truth, truth);
  ASSERT_TRUE(agreement);
  EXPECT_EQ(agreement->bias, 0);
  EXPECT_EQ(agreement->standard_deviation, 0);
  EXPECT_DOUBLE_EQ(intraclass_correlation(truth, truth).value(), 1);
}

TEST(Agreement, AShiftIsABiasAndLowersTheIntraclassCorrelation) {
  std::vector<double> shifted = truth;
  for (double& value : shifted) value += 5;
  const auto agreement = bland_altman(shifted, truth);
  EXPECT_DOUBLE_EQ(agreement->bias, 5);
  EXPECT_NEAR(agreement->upper_limit - agreement->lower_limit, 0, 1e-9);
  EXPECT_LT(intraclass_correlation(shifted, truth).value(), 0.95);
}

TEST(Agreement, NeedsTwoCasesThatDiffer) {
  const std::vector<double> one{3}, equal{4, 4, 4};
  EXPECT_FALSE(bland_altman(one, one));
  EXPECT_FALSE(intraclass_correlation(one, one));
  EXPECT_FALSE(intraclass_correlation(equal, equal));
  EXPECT_THROW(bland_altman(one, equal), Error);
  EXPECT_THROW(intraclass_correlation(one, equal), Error);
}

}  // namespace
}  // namespace pulmoseg::metrics
