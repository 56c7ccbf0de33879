#include "pulmoseg/metrics/confusion.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

using Mask = std::vector<std::uint8_t>;

TEST(Confusion, CountsEachKindOfPixel) {
  const Mask prediction{1, 1, 1, 0, 0, 0, 0, 0, 0, 1}, truth{1, 1, 0, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(count(prediction, truth), (ConfusionCounts{2, 2, 1, 5}));
}

TEST(Confusion, EveryLabelButZeroIsLesion) {
  EXPECT_EQ(count(Mask{3, 0, 255}, Mask{1, 2, 0}), (ConfusionCounts{1, 1, 1, 0}));
}

TEST(Confusion, AddsUp) {
  ConfusionCounts sum{1, 2, 3, 4};
  sum += {10, 20, 30, 40};
  EXPECT_EQ(sum, (ConfusionCounts{11, 22, 33, 44}));
  EXPECT_EQ(sum.total(), 110u);
}

TEST(Confusion, RefusesMasksOfDifferentSize) { EXPECT_THROW(count(Mask{1, 0}, Mask{1}), Error); }

TEST(Confusion, RatiosOfAHandComputedExample) {
  const ConfusionCounts counts{6, 2, 3, 89};
  EXPECT_DOUBLE_EQ(*accuracy(counts), 0.95);
  EXPECT_DOUBLE_EQ(*precision(counts), 0.75);
  EXPECT_DOUBLE_EQ(*recall(counts), 2.0 / 3);
  EXPECT_DOUBLE_EQ(*specificity(counts), 89.0 / 91);
  EXPECT_DOUBLE_EQ(*dice(counts), 12.0 / 17);
  EXPECT_DOUBLE_EQ(*iou(counts), 6.0 / 11);
  EXPECT_DOUBLE_EQ(slice_dice(counts), 12.0 / 17);
  EXPECT_DOUBLE_EQ(slice_iou(counts), 6.0 / 11);
}

/// One line of the table in confusion.hpp.
struct Edge {
  const char* name;
  ConfusionCounts counts;
  std::optional<double> accuracy, precision, recall, specificity, overlap;  // overlap: dice and iou, equal at the edges
  double slice_overlap;
};

class ConfusionEdge : public testing::TestWithParam<Edge> {};

TEST_P(ConfusionEdge, IsAsTheHeaderSays) {
  const Edge& edge = GetParam();
  EXPECT_EQ(accuracy(edge.counts), edge.accuracy);
  EXPECT_EQ(precision(edge.counts), edge.precision);
  EXPECT_EQ(recall(edge.counts), edge.recall);
  EXPECT_EQ(specificity(edge.counts), edge.specificity);
  EXPECT_EQ(dice(edge.counts), edge.overlap);
  EXPECT_EQ(iou(edge.counts), edge.overlap);
  EXPECT_EQ(slice_dice(edge.counts), edge.slice_overlap);
  EXPECT_EQ(slice_iou(edge.counts), edge.slice_overlap);
}

constexpr std::nullopt_t none = std::nullopt;
INSTANTIATE_TEST_SUITE_P(Table, ConfusionEdge,
                         testing::Values(Edge{"NoLesionNoneFound", {0, 0, 0, 8}, 1.0, none, none, 1.0, none, 1.0},
                                         Edge{"NoLesionSomeFound", {0, 2, 0, 6}, 0.75, 0.0, none, 0.75, 0.0, 0.0},
                                         Edge{"LesionNothingFound", {0, 0, 2, 6}, 0.75, none, 0.0, 1.0, 0.0, 0.0},
                                         Edge{"AllLesionAllFound", {8, 0, 0, 0}, 1.0, 1.0, 1.0, none, 1.0, 1.0},
                                         Edge{"AllLesionNothingFound", {0, 0, 8, 0}, 0.0, none, 0.0, none, 0.0, 0.0},
                                         Edge{"NoPixels", {}, none, none, none, none, none, 1.0}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pulmoseg::metrics
