#include "pulmoseg/metrics/surface.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

using Mask = std::vector<std::uint8_t>;

Mask random_mask(std::size_t voxels, unsigned share, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Mask mask(voxels);
  for (auto& voxel : mask) voxel = random() % 100 < share;
  return mask;
}

/// The definition: of each surface voxel, the nearest surface voxel of the other mask, by looking at all.
std::vector<double> by_definition(const Mask& from, const Mask& to, const MaskGrid& grid) {
  const auto [columns, rows, slices] = grid.size;
  const auto at = [&](const Mask& mask, std::int64_t x, std::int64_t y, std::int64_t z) {
    if (x < 0 || y < 0 || z < 0 || x >= columns || y >= rows || z >= slices) return false;
    return mask[static_cast<std::size_t>((z * rows + y) * columns + x)] != 0;
  };
  const auto surface = [&](const Mask& mask) {
    std::vector<std::array<double, 3>> places;
    for (std::int64_t z = 0; z < slices; ++z) {
      for (std::int64_t y = 0; y < rows; ++y) {
        for (std::int64_t x = 0; x < columns; ++x) {
          if (!at(mask, x, y, z)) continue;
          const bool inner = at(mask, x - 1, y, z) && at(mask, x + 1, y, z) && at(mask, x, y - 1, z) &&
                             at(mask, x, y + 1, z) && at(mask, x, y, z - 1) && at(mask, x, y, z + 1);
          if (!inner)
            places.push_back({static_cast<double>(x) * grid.spacing[0], static_cast<double>(y) * grid.spacing[1],
                              static_cast<double>(z) * grid.spacing[2]});
        }
      }
    }
    return places;
  };
  std::vector<double> distances;
  const auto others = surface(to);
  for (const auto& a : surface(from)) {
    double nearest = INFINITY;
    for (const auto& b : others) nearest = std::min(nearest, std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
    distances.push_back(nearest);
  }
  return distances;
}

TEST(Surface, DistancesAreThoseOfTheDefinition) {
  const MaskGrid grid{.size = {9, 7, 6}, .spacing = {0.7, 1.3, 2.5}};
  for (const unsigned share : {1u, 10u, 50u, 95u}) {
    const Mask prediction = random_mask(9 * 7 * 6, share, share), truth = random_mask(9 * 7 * 6, share, share + 1);
    const auto found = surface_distances(prediction, truth, grid);
    const auto expected = by_definition(prediction, truth, grid), back = by_definition(truth, prediction, grid);
    ASSERT_EQ(found.from_prediction.size(), expected.size()) << share;
    ASSERT_EQ(found.from_truth.size(), back.size()) << share;
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found.from_prediction[i], expected[i], 1e-6);
    for (std::size_t i = 0; i < back.size(); ++i) EXPECT_NEAR(found.from_truth[i], back[i], 1e-6);
  }
}

TEST(Surface, OfAPictureIsItsOutline) {
  const MaskGrid picture{.size = {5, 5, 1}};
  const Mask square(25, 1);
  EXPECT_EQ(surface_distances(square, square, picture).from_truth.size(), 16u);
  const MaskGrid scan{.size = {5, 5, 2}};
  const Mask slab(50, 1);
  EXPECT_EQ(surface_distances(slab, slab, scan).from_truth.size(), 50u);
}

TEST(Surface, FiguresOfMasksAtTheEdge) {
  const MaskGrid grid{.size = {4, 4, 1}};
  Mask nothing(16), speck(16);
  speck[5] = 1;
  const auto same = surface_distances(speck, speck, grid);
  EXPECT_EQ(normalised_surface_dice(same, 0), 1);
  EXPECT_EQ(hausdorff_95(same), 0);
  for (const auto& distances : {surface_distances(speck, nothing, grid), surface_distances(nothing, speck, grid)}) {
    EXPECT_EQ(normalised_surface_dice(distances, 100), 0);
    EXPECT_EQ(hausdorff_95(distances), std::nullopt);
  }
  EXPECT_EQ(normalised_surface_dice(surface_distances(nothing, nothing, grid), 2), std::nullopt);
  EXPECT_EQ(hausdorff_95(surface_distances(nothing, nothing, grid)), std::nullopt);
}

TEST(Surface, WhatCannotBeComparedIsAnError) {
  const Mask mask(16, 1);
  EXPECT_THROW(surface_distances(mask, mask, {.size = {4, 5, 1}}), Error);
  EXPECT_THROW(surface_distances(mask, Mask(15), {.size = {4, 4, 1}}), Error);
  EXPECT_THROW(surface_distances(mask, mask, {.size = {4, 4, 1}, .spacing = {1, 0, 1}}), Error);
}

}  // namespace
}  // namespace pulmoseg::metrics
