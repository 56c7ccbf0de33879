#include "pulmoseg/quantify/lung_sides.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "pulmoseg/masks/components.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "support/data.hpp"

namespace pulmoseg::quantify {
namespace {

using masks::RunMask;

constexpr volume::Geometry grid{.size = {80, 60, 40}, .spacing = {4, 3, 7}};

struct Ellipsoid {
  double column, row, slice, columns, rows, slices;  // centre, half axes
  bool has(double c, double r, double s) const {
    return std::hypot((c - column) / columns, (r - row) / rows, (s - slice) / slices) <= 1;
  }
};
constexpr Ellipsoid right{22, 30, 20, 15, 25, 18}, left{57, 30, 19, 14, 24, 17};

using Inside = std::function<bool(double column, double row, double slice)>;

RunMask mask_of(const Inside& inside) {
  std::vector<std::uint8_t> voxels;
  for (int k = 0; k < grid.size[2]; ++k) {
    for (int j = 0; j < grid.size[1]; ++j) {
      for (int i = 0; i < grid.size[0]; ++i) voxels.push_back(inside(i, j, k));
    }
  }
  return RunMask::of(voxels, grid.size);
}

std::int64_t voxels_in(const RunMask& mask) {
  const auto parts = masks::Components(mask).voxels();
  return std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
}

RunMask united(const LungSides& sides) {
  RunMask both(sides.right.size());
  for (std::int64_t k = 0; k < both.size()[2]; ++k) {
    auto pixels = sides.right.pixels(k);
    const auto others = sides.left.pixels(k);
    std::ranges::transform(pixels, others, pixels.begin(), std::plus());
    both.set(k, pixels);
  }
  return both;
}

TEST(LungSides, SeparateLungsAreToldApartToTheVoxel) {
  const RunMask one = mask_of([](double c, double r, double s) { return right.has(c, r, s); });
  const RunMask other = mask_of([](double c, double r, double s) { return left.has(c, r, s); });
  const auto sides = tell_sides_apart(
      mask_of([](double c, double r, double s) { return right.has(c, r, s) || left.has(c, r, s); }), grid);
  EXPECT_EQ(sides.right, one);
  EXPECT_EQ(sides.left, other);
  EXPECT_FALSE(sides.touch || sides.one_lung || sides.wide_contact);
}

// A bridge in front, slanting over six slices, as at the anterior junction line.
TEST(LungSides, LungsThatTouchAreCutAtTheBridge) {
  const auto bridge = [](double c, double r, double s) {
    return c > 25 && c < 55 && s >= 15 && s < 21 && std::abs(r - 24 - (c - 40) / 4) < 2;
  };
  const RunMask lung =
      mask_of([&](double c, double r, double s) { return right.has(c, r, s) || left.has(c, r, s) || bridge(c, r, s); });
  ASSERT_EQ(masks::Components(lung).voxels().size(), 1U);
  const auto sides = tell_sides_apart(lung, grid);
  EXPECT_TRUE(sides.touch);
  EXPECT_FALSE(sides.one_lung || sides.wide_contact);
  EXPECT_EQ(united(sides), lung);
  EXPECT_EQ(voxels_in(intersection(sides.right, sides.left)), 0);
  EXPECT_EQ(masks::Components(sides.right).voxels().size(), 1U);
  EXPECT_EQ(masks::Components(sides.left).voxels().size(), 1U);
  const RunMask one = mask_of([](double c, double r, double s) { return right.has(c, r, s); });
  const RunMask other = mask_of([](double c, double r, double s) { return left.has(c, r, s); });
  EXPECT_EQ(intersection(sides.right, one), one);
  EXPECT_EQ(intersection(sides.left, other), other);
}

TEST(LungSides, ASmallLungBesideALargeOne) {
  constexpr Ellipsoid shrunk{58, 35, 12, 5, 8, 5};
  const RunMask other = mask_of([&](double c, double r, double s) { return shrunk.has(c, r, s); });
  const auto sides = tell_sides_apart(
      mask_of([&](double c, double r, double s) { return right.has(c, r, s) || shrunk.has(c, r, s); }), grid);
  EXPECT_EQ(sides.left, other);
  EXPECT_FALSE(sides.one_lung);
}

TEST(LungSides, OneLungIsNotCutInTwo) {
  for (const Ellipsoid& lung : {right, left}) {
    const RunMask mask = mask_of([&](double c, double r, double s) { return lung.has(c, r, s); });
    const auto sides = tell_sides_apart(mask, grid);
    EXPECT_TRUE(sides.one_lung);
    EXPECT_FALSE(sides.touch);
    EXPECT_EQ(lung.column < 40 ? sides.right : sides.left, mask);
  }
}

TEST(LungSides, SmallPartsGoWithTheSideThatTheyLieOn) {
  const auto speck = [](double c, double r, double s) { return std::hypot(c - 44, r - 5, s - 35) < 2; };
  const auto sides = tell_sides_apart(
      mask_of([&](double c, double r, double s) { return right.has(c, r, s) || left.has(c, r, s) || speck(c, r, s); }),
      grid);
  EXPECT_EQ(voxels_in(intersection(sides.left, mask_of(speck))), voxels_in(mask_of(speck)));
}

TEST(LungSides, AnEmptyMaskAndASingleColumn) {
  EXPECT_EQ(voxels_in(tell_sides_apart(RunMask(grid.size), grid).left), 0);
  const volume::Geometry thin{.size = {1, 4, 2}};
  RunMask mask(thin.size);
  mask.set(1, std::vector<std::uint8_t>{1, 1, 0, 1});
  const auto sides = tell_sides_apart(mask, thin);
  EXPECT_EQ(united(sides), mask);
  EXPECT_TRUE(sides.one_lung);
}

/// The lung mask grown by `voxels` in its slices, until left and right meet.
RunMask grown(const RunMask& mask, int voxels) {
  RunMask result(mask.size());
  const auto columns = static_cast<std::size_t>(mask.size()[0]);
  for (std::int64_t k = 0; k < mask.size()[2]; ++k) {
    auto pixels = mask.pixels(k);
    for (int step = 0; step < voxels; ++step) {
      const auto before = pixels;
      for (std::size_t i = columns + 1; i + columns + 1 < pixels.size(); ++i)
        pixels[i] = before[i] | before[i - 1] | before[i + 1] | before[i - columns] | before[i + columns];
    }
    result.set(k, pixels);
  }
  return result;
}

// Lungs that do not touch are their own truth when they are grown until they do.
TEST(LungSides, RealLungsGrownTogetherAreCutWhereTheyMet) {
  PULMOSEG_REQUIRE_DATA("hu/wholeLung-64.nrrd");
  const auto scan = volume::VolumeReader::open(test::development_data("hu/wholeLung-64.nrrd"));
  const auto lung = read_mask(test::development_data("hu/wholeLung-64.nrrd"), volume::MaskKind::lung, scan).mask;
  const auto truth = tell_sides_apart(lung, scan.geometry());
  ASSERT_FALSE(truth.touch);
  const RunMask joined = grown(lung, 2);
  const auto sides = tell_sides_apart(joined, scan.geometry());
  EXPECT_TRUE(sides.touch);
  EXPECT_FALSE(sides.one_lung || sides.wide_contact);
  const std::int64_t agreeing =
      voxels_in(intersection(sides.right, truth.right)) + voxels_in(intersection(sides.left, truth.left));
  EXPECT_GT(static_cast<double>(agreeing), 0.995 * static_cast<double>(voxels_in(lung)));
  RecordProperty("agreement", std::to_string(static_cast<double>(agreeing) / static_cast<double>(voxels_in(lung))));
}

}  // namespace
}  // namespace pulmoseg::quantify
