#include "pulmoseg/metrics/figures.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

SliceResult slice(std::int64_t row, std::string case_name, ConfusionCounts counts, std::optional<double> loss = 0.5) {
  return {.row = row, .case_name = case_name, .patient = "p" + case_name, .slice = row, .counts = counts, .loss = loss};
}

/// Two cases whose slices are interleaved: a has an empty slice predicted empty, b one predicted with a speck.
const std::vector<SliceResult> example{
    slice(0, "a", {6, 2, 2, 90}, 0.1),   // Dice 0.75, IoU 0.6
    slice(1, "b", {1, 0, 3, 96}, 0.2),   // Dice 0.4, IoU 0.25
    slice(2, "a", {0, 0, 0, 100}, 0.0),  // empty, predicted empty: 1
    slice(3, "b", {0, 4, 0, 96}, 0.3),   // empty, predicted: 0
};

TEST(Figures, PooledAreTheRatiosOfAllPixels) {
  const Figures figures = summarise("test", example, 0.9);
  EXPECT_EQ(figures.part, "test");
  EXPECT_EQ(figures.slices, 4);
  EXPECT_DOUBLE_EQ(*figures.loss, 0.15);
  EXPECT_EQ(figures.pooled.counts, (ConfusionCounts{7, 6, 5, 382}));
  EXPECT_DOUBLE_EQ(*figures.pooled.accuracy, 389.0 / 400);
  EXPECT_DOUBLE_EQ(*figures.pooled.precision, 7.0 / 13);
  EXPECT_DOUBLE_EQ(*figures.pooled.recall, 7.0 / 12);
  EXPECT_DOUBLE_EQ(*figures.pooled.specificity, 382.0 / 388);
  EXPECT_DOUBLE_EQ(*figures.pooled.f1, 14.0 / 25);
  EXPECT_DOUBLE_EQ(*figures.pooled.dice, 14.0 / 25);
  EXPECT_DOUBLE_EQ(*figures.pooled.iou, 7.0 / 18);
  EXPECT_EQ(figures.pooled.auc_roc, 0.9);
}

TEST(Figures, MeansOverSlicesWithAndWithoutEmptyOnes) {
  const Figures figures = summarise("test", example, std::nullopt);
  EXPECT_DOUBLE_EQ(*figures.per_slice_mean.dice, (0.75 + 0.4 + 1 + 0) / 4);
  EXPECT_DOUBLE_EQ(*figures.per_slice_mean.iou, (0.6 + 0.25 + 1 + 0) / 4);
  EXPECT_EQ(figures.per_slice_mean.count, 4);
  EXPECT_DOUBLE_EQ(*figures.lesion_slice_mean.dice, (0.75 + 0.4) / 2);
  EXPECT_DOUBLE_EQ(*figures.lesion_slice_mean.iou, (0.6 + 0.25) / 2);
  EXPECT_EQ(figures.lesion_slice_mean.count, 2);
  EXPECT_FALSE(figures.pooled.auc_roc);
}

TEST(Figures, CasesSumTheirSlices) {
  const Figures figures = summarise("test", example, std::nullopt);
  ASSERT_EQ(figures.cases.size(), 2u);
  EXPECT_EQ(figures.cases[0].case_name, "a");
  EXPECT_EQ(figures.cases[0].patient, "pa");
  EXPECT_EQ(figures.cases[0].slices, 2);
  EXPECT_EQ(figures.cases[1].counts, (ConfusionCounts{1, 4, 3, 192}));
  EXPECT_DOUBLE_EQ(*figures.cases[1].dice, 2.0 / 9);
  EXPECT_DOUBLE_EQ(*figures.case_mean.dice, (0.75 + 2.0 / 9) / 2);
  EXPECT_DOUBLE_EQ(*figures.case_mean.iou, (0.6 + 1.0 / 8) / 2);
  EXPECT_EQ(figures.case_mean.count, 2);
  ASSERT_TRUE(figures.case_mean.dice_ci95);
  EXPECT_DOUBLE_EQ(figures.case_mean.dice_ci95->lower, 2.0 / 9);
  EXPECT_DOUBLE_EQ(figures.case_mean.dice_ci95->upper, 0.75);
}

TEST(Figures, ACaseWithoutLesionInTruthAndPredictionStaysOutOfTheMean) {
  const Figures figures = summarise("all", std::vector{slice(0, "a", {1, 0, 0, 3}), slice(1, "b", {0, 0, 0, 4})}, {});
  EXPECT_FALSE(figures.cases[1].dice);
  EXPECT_EQ(figures.case_mean.count, 1);
  EXPECT_EQ(figures.case_mean.dice, 1.0);
  EXPECT_FALSE(figures.case_mean.dice_ci95);
}

TEST(Figures, NothingIsInventedWhereThereIsNoLesion) {
  const Figures figures = summarise("all", std::vector{slice(0, "a", {0, 0, 0, 4})}, {});
  EXPECT_FALSE(figures.pooled.dice);
  EXPECT_FALSE(figures.pooled.precision);
  EXPECT_EQ(figures.pooled.specificity, 1.0);
  EXPECT_EQ(figures.per_slice_mean.dice, 1.0);
  EXPECT_FALSE(figures.lesion_slice_mean.dice);
  EXPECT_FALSE(figures.case_mean.dice);
}

TEST(Figures, ALossThatSomeSlicesLackIsNoLoss) {
  const Figures figures =
      summarise("all", std::vector{slice(0, "a", {1, 0, 0, 3}, 0.1), slice(1, "a", {1, 0, 0, 3}, {})}, {});
  EXPECT_FALSE(figures.loss);
}

TEST(Figures, RefusesAPartWithoutSlices) { EXPECT_THROW(summarise("test", {}, {}), Error); }

}  // namespace
}  // namespace pulmoseg::metrics
