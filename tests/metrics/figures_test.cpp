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
  const Figures figures = summarise("test", example, RocCurve{.points = {}, .auc = 0.9, .average_precision = 0.8});
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
  EXPECT_EQ(figures.pooled.average_precision, 0.8);
}

TEST(Figures, MeansOverSlicesWithAndWithoutEmptyOnes) {
  const Figures figures = summarise("test", example);
  EXPECT_DOUBLE_EQ(*figures.per_slice_mean.dice, (0.75 + 0.4 + 1 + 0) / 4);
  EXPECT_DOUBLE_EQ(*figures.per_slice_mean.iou, (0.6 + 0.25 + 1 + 0) / 4);
  EXPECT_EQ(figures.per_slice_mean.count, 4);
  EXPECT_DOUBLE_EQ(*figures.lesion_slice_mean.dice, (0.75 + 0.4) / 2);
  EXPECT_DOUBLE_EQ(*figures.lesion_slice_mean.iou, (0.6 + 0.25) / 2);
  EXPECT_EQ(figures.lesion_slice_mean.count, 2);
  EXPECT_FALSE(figures.pooled.auc_roc);
}

TEST(Figures, CasesSumTheirSlices) {
  const Figures figures = summarise("test", example);
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
  const Figures figures = summarise("all", std::vector{slice(0, "a", {1, 0, 0, 3}), slice(1, "b", {0, 0, 0, 4})});
  EXPECT_FALSE(figures.cases[1].dice);
  EXPECT_EQ(figures.case_mean.count, 1);
  EXPECT_EQ(figures.case_mean.dice, 1.0);
  EXPECT_FALSE(figures.case_mean.dice_ci95);
}

TEST(Figures, NothingIsInventedWhereThereIsNoLesion) {
  const Figures figures = summarise("all", std::vector{slice(0, "a", {0, 0, 0, 4})});
  EXPECT_FALSE(figures.pooled.dice);
  EXPECT_FALSE(figures.pooled.precision);
  EXPECT_EQ(figures.pooled.specificity, 1.0);
  EXPECT_EQ(figures.per_slice_mean.dice, 1.0);
  EXPECT_FALSE(figures.lesion_slice_mean.dice);
  EXPECT_FALSE(figures.case_mean.dice);
}

TEST(Figures, ALossThatSomeSlicesLackIsNoLoss) {
  const Figures figures =
      summarise("all", std::vector{slice(0, "a", {1, 0, 0, 3}, 0.1), slice(1, "a", {1, 0, 0, 3}, {})});
  EXPECT_FALSE(figures.loss);
}

TEST(Figures, SurfacesAreMeansOverWhatHasThem) {
  auto slices = example;
  slices[0].surface = {.nsd = 0.5, .hausdorff_95 = 3};
  slices[1].surface = {.nsd = 0.9, .hausdorff_95 = 5};
  slices[3].surface = {.nsd = 0, .hausdorff_95 = {}};  // lesion in one of the two only
  Figures figures = summarise("test", slices, {}, {.tolerance = 1});
  EXPECT_DOUBLE_EQ(*figures.surface.nsd, 1.4 / 3);
  EXPECT_EQ(figures.surface.nsd_count, 3);
  EXPECT_DOUBLE_EQ(*figures.surface.hausdorff_95, 4);
  EXPECT_EQ(figures.surface.hausdorff_95_count, 2);
  EXPECT_EQ(figures.surface.measure.of, "slice");
  EXPECT_EQ(figures.surface.measure.tolerance, 1);
  set_case_surfaces(figures, std::vector<SurfaceFigures>{{0.25, 10}, {0.75, {}}}, {"case", "mm", 2});
  EXPECT_DOUBLE_EQ(*figures.surface.nsd, 0.5);
  EXPECT_DOUBLE_EQ(*figures.surface.hausdorff_95, 10);
  EXPECT_EQ(figures.surface.measure.unit, "mm");
  EXPECT_EQ(figures.cases[1].surface.nsd, 0.75);
}

TEST(Figures, PercentagesAreThoseOfCasesWhoseLungIsKnown) {
  std::vector<SliceResult> slices{slice(0, "a", {}), slice(1, "b", {}), slice(2, "a", {}), slice(3, "c", {})};
  slices[0].lung = LungCounts{.lung = 100, .predicted_lesion = 10, .true_lesion = 5};
  slices[2].lung = LungCounts{.lung = 300, .predicted_lesion = 10, .true_lesion = 15};
  slices[1].lung = LungCounts{.lung = 200, .predicted_lesion = 50, .true_lesion = 40};
  const Figures figures = summarise("test", slices);
  EXPECT_EQ(figures.cases[0].lung->percent(), 5);
  EXPECT_EQ(figures.cases[0].lung->true_percent(), 5);
  EXPECT_EQ(figures.cases[1].lung->percent(), 25);
  EXPECT_FALSE(figures.cases[2].lung);
  EXPECT_EQ(figures.lesion_percent.cases, 2);
  EXPECT_DOUBLE_EQ(figures.lesion_percent.bland_altman->bias, 2.5);
  EXPECT_EQ(figures.lesion_percent.icc, intraclass_correlation(std::vector{5.0, 25.0}, std::vector{5.0, 20.0}));
}

TEST(Figures, RefusesAPartWithoutSlices) { EXPECT_THROW(summarise("test", {}), Error); }

}  // namespace
}  // namespace pulmoseg::metrics
