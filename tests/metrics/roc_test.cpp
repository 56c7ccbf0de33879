#include "pulmoseg/metrics/roc.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

using Scores = std::vector<float>;
using Mask = std::vector<std::uint8_t>;

RocCurve curve_of(const Scores& scores, const Mask& truth, std::size_t max_points = 1000) {
  RocAccumulator roc;
  roc.add(scores, truth);
  return roc.finish(max_points);
}

/// The definition, pair by pair.
double mann_whitney(const Scores& scores, const Mask& truth) {
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (truth[i] == 0 || truth[j] != 0) continue;
      pairs += 1;
      won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
    }
  }
  return won / pairs;
}

/// Random scores rounded to `levels` steps, so that ties are many; lesion pixels score a little higher.
std::pair<Scores, Mask> random_example(int pixels, int levels, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Scores scores;
  Mask truth;
  for (int i = 0; i < pixels; ++i) {
    truth.push_back(random() % 10 == 0);
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    scores.push_back(static_cast<float>(std::round((uniform + 0.3 * truth.back()) * levels) / levels));
  }
  return {scores, truth};
}

TEST(Roc, OrderedPerfectlyAndTheWrongWayRound) {
  EXPECT_EQ(curve_of({0.1f, 0.2f, 0.8f, 0.9f}, {0, 0, 1, 1}).auc, 1.0);
  EXPECT_EQ(curve_of({0.1f, 0.2f, 0.8f, 0.9f}, {1, 1, 0, 0}).auc, 0.0);
}

TEST(Roc, TieCountsOneHalf) {
  EXPECT_EQ(curve_of({0.5f, 0.5f, 0.5f}, {0, 1, 0}).auc, 0.5);
  EXPECT_EQ(curve_of({0.5f, 0.5f, 0.1f, 0.9f}, {0, 1, 0, 1}).auc, 0.875);  // 3 pairs won, 1 tied
}

TEST(Roc, AreaEqualsTheDefinition) {
  for (const int levels : {1, 2, 7, 50, 1 << 22}) {
    const auto [scores, truth] = random_example(700, levels, static_cast<std::uint64_t>(levels));
    EXPECT_NEAR(*curve_of(scores, truth).auc, mann_whitney(scores, truth), 1e-12) << levels << " levels";
  }
}

TEST(Roc, PointsOfAHandComputedExample) {
  const auto points = curve_of({0.9f, 0.5f, 0.5f, 0.1f}, {1, 1, 0, 0}).points;
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[0].threshold, std::numeric_limits<double>::infinity());
  const double expected[][2] = {{0, 0}, {0, 0.5}, {0.5, 1}, {1, 1}};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(points[i].false_positive_rate, expected[i][0]);
    EXPECT_EQ(points[i].true_positive_rate, expected[i][1]);
  }
  EXPECT_EQ(points[2].threshold, 0.5);
}

TEST(Roc, ThinningKeepsTheEndsAndTheArea) {
  const auto [scores, truth] = random_example(20000, 1 << 22, 3);
  const RocCurve full = curve_of(scores, truth, 1'000'000), thin = curve_of(scores, truth, 50);
  EXPECT_GT(full.points.size(), 10000u);
  EXPECT_LE(thin.points.size(), 50u);
  EXPECT_GT(thin.points.size(), 25u);
  EXPECT_EQ(thin.auc, full.auc);
  EXPECT_EQ(thin.points.front().true_positive_rate, 0);
  EXPECT_EQ(thin.points.back().true_positive_rate, 1);
  EXPECT_EQ(thin.points.back().false_positive_rate, 1);
  double trapezoids = 0;
  for (std::size_t i = 1; i < thin.points.size(); ++i) {
    const auto &a = thin.points[i - 1], &b = thin.points[i];
    EXPECT_GE(b.false_positive_rate, a.false_positive_rate);
    EXPECT_GE(b.true_positive_rate, a.true_positive_rate);
    trapezoids += (b.false_positive_rate - a.false_positive_rate) * (a.true_positive_rate + b.true_positive_rate) / 2;
  }
  EXPECT_NEAR(trapezoids, *thin.auc, 0.005);  // what is drawn looks like what is printed
}

TEST(Roc, UndefinedWithoutLesionOrWithNothingElse) {
  for (const Mask& truth : {Mask{0, 0, 0}, Mask{1, 1, 1}}) {
    const RocCurve curve = curve_of({0.1f, 0.2f, 0.3f}, truth);
    EXPECT_FALSE(curve.auc.has_value());
    EXPECT_TRUE(curve.points.empty());
  }
  EXPECT_FALSE(RocAccumulator().finish().auc.has_value());
}

TEST(Roc, SlicesMayComeInPieces) {
  const auto [scores, truth] = random_example(900, 20, 9);
  RocAccumulator pieces(900);
  for (std::size_t start = 0; start < 900; start += 300) {
    pieces.add(std::span(scores).subspan(start, 300), std::span(truth).subspan(start, 300));
  }
  EXPECT_EQ(pieces.finish().auc, curve_of(scores, truth).auc);
}

TEST(Roc, RefusesWhatIsNoScore) {
  RocAccumulator roc;
  EXPECT_THROW(roc.add(Scores{0.1f}, Mask{0, 1}), Error);
  EXPECT_THROW(roc.add(Scores{std::numeric_limits<float>::quiet_NaN()}, Mask{0}), Error);
}

}  // namespace
}  // namespace pulmoseg::metrics
