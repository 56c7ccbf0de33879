#include "pulmoseg/metrics/confidence.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::metrics {
namespace {

using Values = std::vector<double>;

TEST(Confidence, EqualsScipys) {
  std::ifstream file(test::repository_file("tests/data/metrics/golden.json"));
  const auto golden = nlohmann::json::parse(file);
  ASSERT_EQ(golden["confidence"].size(), 4u);
  for (const auto& set : golden["confidence"]) {
    const auto sure = set["confidence"].get<Values>(), dice = set["dice"].get<Values>();
    EXPECT_NEAR(spearman(sure, dice).value(), set["spearman"].get<double>(), 1e-12) << set["name"];
    const auto risk = risk_coverage(sure, dice).value();
    EXPECT_NEAR(risk.area, set["area"].get<double>(), 1e-12) << set["name"];
    EXPECT_NEAR(risk.random, set["random"].get<double>(), 1e-12) << set["name"];
  }
}

TEST(Confidence, NeedsThreePairsThatDiffer) {
  EXPECT_FALSE(spearman(Values{1, 2}, Values{1, 2}));
  EXPECT_FALSE(spearman(Values{1, 1, 1}, Values{1, 2, 3}));
  EXPECT_THROW(spearman(Values{1, 2, 3}, Values{1, 2}), Error);
  EXPECT_FALSE(risk_coverage({}, {}));
  EXPECT_THROW(risk_coverage(Values{1}, Values{1, 2}), Error);
}

TEST(Confidence, KnowsHowSureItIs) {
  Values sure, dice;
  for (int i = 0; i < 30; ++i) {
    sure.push_back(i);
    dice.push_back((i + (i % 3) * 4) / 40.0);
  }
  const auto figures = judge_confidence(sure, dice);
  EXPECT_EQ(figures.count, 30);
  ASSERT_TRUE(figures.spearman && figures.spearman_ci95 && figures.risk);
  EXPECT_LT(figures.spearman_ci95->lower, *figures.spearman);
  EXPECT_GT(figures.spearman_ci95->upper, *figures.spearman);
  EXPECT_GT(figures.spearman_ci95->lower, 0.5);
  EXPECT_LT(figures.risk->area, figures.risk->random);
  EXPECT_EQ(judge_confidence({}, {}).count, 0);
}

TEST(ExpectedDice, IsTheDiceOfTheProbabilitiesWithTheirMask) {
  ExpectedDice sure, unsure;
  const std::vector<std::uint8_t> mask{1, 1, 0, 0};
  sure.add(std::vector<float>{1, 1, 0, 0}, mask);
  EXPECT_EQ(sure.value(), 1);
  unsure.add(std::vector<float>{0.75F, 0.5F, 0.25F, 0}, mask);
  EXPECT_DOUBLE_EQ(unsure.value().value(), 2 * 1.25 / (1.5 + 2));
  unsure.add(std::vector<float>{0.5F}, std::vector<std::uint8_t>{0});  // another slice: lesion that was perhaps missed
  EXPECT_DOUBLE_EQ(unsure.value().value(), 2 * 1.25 / (2 + 2));
  ExpectedDice empty;
  empty.add(std::vector<float>{0.4F}, std::vector<std::uint8_t>{0});
  EXPECT_FALSE(empty.value());
  EXPECT_THROW(empty.add(std::vector<float>{0.4F}, mask), Error);
}

}  // namespace
}  // namespace pulmoseg::metrics
