#include "pulmoseg/report/mask_shape.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace pulmoseg::report {
namespace {

using Mask = std::vector<std::uint8_t>;

double length(const std::vector<Segment>& segments) {
  double sum = 0;
  for (const auto& [from, to] : segments) sum += std::hypot(to.x - from.x, to.y - from.y);
  return sum;
}

constexpr Box place{10, 20, 40, 30};  // 4 columns of 10, 3 rows of 10

TEST(MaskShape, BoxesAreRunsOfPixels) {
  const Mask mask{0, 1, 1, 0, 1, 0, 0, 2, 0, 0, 0, 0};
  const auto boxes = mask_boxes(mask, 3, 4, place);
  ASSERT_EQ(boxes.size(), 3U);
  EXPECT_EQ(boxes[0].x, 20);
  EXPECT_EQ(boxes[0].y, 20);
  EXPECT_EQ(boxes[0].width, 20);
  EXPECT_EQ(boxes[0].height, 10);
  EXPECT_EQ(boxes[2].right(), 50);
}

TEST(MaskShape, EdgesAreThePerimeter) {
  const Mask one{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(length(mask_edges(one, 3, 4, place)), 40, 1e-9);
  EXPECT_NEAR(length(mask_edges(Mask(12, 1), 3, 4, place)), 140, 1e-9);  // the border of the picture too
  EXPECT_TRUE(mask_edges(Mask(12), 3, 4, place).empty());
}

TEST(MaskShape, OutlineCutsCornersAndCloses) {
  const Mask one{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  const auto diamond = mask_outline(one, 3, 4, place);
  ASSERT_EQ(diamond.size(), 4U);
  EXPECT_NEAR(length(diamond), 4 * std::hypot(5, 5), 1e-9);
  for (const auto& segment : diamond) {
    for (const Point& end : segment)
      EXPECT_NEAR(std::abs(end.x - 25) + std::abs(end.y - 35), 5, 1e-9);  // around its centre
  }
  // Two pixels that touch at a corner: two diamonds, none of them open.
  const Mask corner{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(length(mask_outline(corner, 3, 4, place)), 8 * std::hypot(5, 5), 1e-9);
  const Mask other{0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(length(mask_outline(other, 3, 4, place)), 8 * std::hypot(5, 5), 1e-9);
}

}  // namespace
}  // namespace pulmoseg::report
