#include "pulmoseg/volume/geometry.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace pulmoseg::volume {
namespace {

const Geometry oblique{.size = {40, 30, 20},
                       .spacing = {0.7, 0.8, 2.5},
                       .origin = {-12.5, 3, 400},
                       .direction = {{{0.8, 0.6, 0}, {-0.6, 0.8, 0}, {0, 0, 1}}}};

TEST(Geometry, TakesIndicesToPointsAndBack) {
  const Vector3 point = index_to_point(oblique, {10, 20, 4});
  EXPECT_NEAR(point[0], -12.5 + 10 * 0.7 * 0.8 - 20 * 0.8 * 0.6, 1e-12);
  EXPECT_NEAR(point[1], 3 + 10 * 0.7 * 0.6 + 20 * 0.8 * 0.8, 1e-12);
  EXPECT_NEAR(point[2], 410, 1e-12);
  const Vector3 index = point_to_index(oblique, point);
  EXPECT_NEAR(index[0], 10, 1e-12);
  EXPECT_NEAR(index[1], 20, 1e-12);
  EXPECT_NEAR(index[2], 4, 1e-12);
}

TEST(Geometry, VolumeOfAVoxelKnowsShear) {
  EXPECT_NEAR(voxel_volume_mm3(oblique), 0.7 * 0.8 * 2.5, 1e-12);
  Geometry tilted = oblique;
  tilted.direction[2] = {0, 0.5, std::sqrt(0.75)};  // 30 degrees
  EXPECT_NEAR(voxel_volume_mm3(tilted), 0.7 * 0.8 * 2.5 * std::sqrt(0.75), 1e-12);
}

TEST(Geometry, SameGridForgivesRoundingOnly) {
  EXPECT_TRUE(same_grid(oblique, oblique));
  Geometry other = oblique;
  other.origin[1] += 0.005 * 0.8;
  EXPECT_TRUE(same_grid(oblique, other));
  other.origin[1] += 0.01 * 0.8;
  EXPECT_FALSE(same_grid(oblique, other));

  other = oblique;
  other.spacing[2] *= 1.001;  // a fiftieth of a voxel at the far corner
  EXPECT_FALSE(same_grid(oblique, other));

  other = oblique;
  other.size[0] -= 1;
  EXPECT_FALSE(same_grid(oblique, other));

  other = oblique;
  other.direction[2] = {0, 0, -1};
  EXPECT_FALSE(same_grid(oblique, other));
}

TEST(Geometry, IsDescribedInOneLine) {
  EXPECT_EQ(describe(oblique), "40x30x20, spacing 0.7x0.8x2.5 mm, origin (-12.5, 3, 400), axes L-P-S");
  const Geometry turned{.size = {3, 2, 1},
                        .spacing = {1.0F / 3.0F, 1, 1},
                        .origin = {-0.00001, 0, 0},
                        .direction = {{{0, 0, -1}, {-1, 0, 0}, {0, -1, 0}}}};
  EXPECT_EQ(describe(turned), "3x2x1, spacing 0.3333x1x1 mm, origin (0, 0, 0), axes I-R-A");
}

TEST(Geometry, ReorderingKeepsEveryVoxelInItsPlace) {
  const AxisOrder order{.axis = {2, 0, 1}, .flipped = {true, false, true}};
  const Geometry reordered = reorder(oblique, order);
  EXPECT_EQ(reordered.size, (std::array<std::int64_t, 3>{20, 40, 30}));
  // Canonical (c0, c1, c2) is stored (i, j, k) = (c1, 29 - c2, 19 - c0).
  const Vector3 expected = index_to_point(oblique, {7, 29 - 11, 19 - 3});
  const Vector3 seen = index_to_point(reordered, {3, 7, 11});
  for (std::size_t r = 0; r < 3; ++r) EXPECT_NEAR(seen[r], expected[r], 1e-9);
}

}  // namespace
}  // namespace pulmoseg::volume
