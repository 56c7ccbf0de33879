// Parts of the lesion, densities, severity: by hand.

#include <gtest/gtest.h>

#include <algorithm>

#include "pulmoseg/quantify/lesion_parts.hpp"
#include "pulmoseg/quantify/lung_density.hpp"
#include "pulmoseg/quantify/severity.hpp"

namespace pulmoseg::quantify {
namespace {

bool has_note(const Measurements& measured, std::string_view code) {
  return std::any_of(measured.notes.begin(), measured.notes.end(), [&](const Note& note) { return note.code == code; });
}

TEST(LesionParts, AreFoundInSpaceTheLargestFirst) {
  const volume::Geometry grid{.size = {4, 2, 2}, .spacing = {2, 3, 5}, .origin = {100, 0, -50}};
  const std::vector<std::uint8_t> voxels{1, 0, 0, 1, 0, 0, 0, 1,   // slice 0
                                         0, 0, 0, 1, 0, 1, 0, 0};  // slice 1
  const auto parts = find_lesion_parts(masks::RunMask::of(voxels, grid.size), nullptr, grid, 0.5);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].voxels, 3);
  EXPECT_EQ(*parts[0].ml, 1.5);
  EXPECT_EQ(parts[0].first_slice, 0);
  EXPECT_EQ(parts[0].last_slice, 1);
  EXPECT_NEAR(parts[0].centre[0], 106, 1e-12);
  EXPECT_NEAR(parts[0].centre[1], 1, 1e-12);
  EXPECT_NEAR(parts[0].centre[2], -50 + 5 / 3.0, 1e-12);
  EXPECT_FALSE(parts[0].side);
  EXPECT_EQ(parts[1].first_slice, 0);
  EXPECT_EQ(parts[2].first_slice, 1);

  const auto sizes = count_sizes(parts, 0.5);
  ASSERT_EQ(sizes.size(), 5U);
  EXPECT_EQ(sizes[1].parts, 2);
  EXPECT_EQ(*sizes[1].ml, 1.0);
  EXPECT_EQ(sizes[2].parts, 1);
  EXPECT_FALSE(sizes[4].to_ml);
}

TEST(LesionParts, LieWhereMostOfThemLies) {
  const masks::Size size{6, 1, 1};
  const volume::Geometry grid{.size = size};
  const auto mask = [&](std::vector<std::uint8_t> voxels) { return masks::RunMask::of(voxels, size); };
  LungSides sides{mask({1, 0, 0, 0, 0, 0}), mask({0, 0, 0, 1, 1, 0})};
  const auto side_of = [&](std::vector<std::uint8_t> voxels) {
    return find_lesion_parts(mask(std::move(voxels)), &sides, grid, std::nullopt).front().side;
  };
  EXPECT_EQ(side_of({1, 0, 0, 0, 0, 0}), "right");
  EXPECT_EQ(side_of({0, 0, 1, 1, 1, 0}), "left");
  EXPECT_EQ(side_of({0, 1, 1, 1, 0, 0}), std::nullopt);
}

TEST(LungDensity, BandsHoldTheirLowerEdgeAndAddUp) {
  DensityAccumulator accumulator;
  const std::vector<float> pixels{-1051, -1050, -950, -750, -400, 0, 500};
  const std::vector<std::uint8_t> lung{1, 1, 1, 1, 1, 1, 0}, lesion{0, 0, 0, 0, 1, 1, 1};
  accumulator.add_slice(pixels, lesion, lung);
  const LungDensity density = accumulator.finish(2.0);
  EXPECT_EQ(density.below.voxels, 1);
  ASSERT_EQ(density.bands.size(), 4U);
  for (const auto& band : density.bands) EXPECT_EQ(band.voxels, 1) << band.from_hu;
  EXPECT_EQ(density.above.voxels, 1);
  EXPECT_EQ(density.bands[0].from_hu, -1050);
  EXPECT_EQ(density.bands[3].to_hu, 0);
  EXPECT_EQ(*density.bands[1].ml, 2);
  EXPECT_NEAR(*density.bands[1].percent_of_lung, 100 / 6.0, 1e-12);
  EXPECT_EQ(*density.mean_hu_of_lesion, -200);
  EXPECT_EQ(*density.mean_hu_without_lesion, (-1051 - 1050 - 950 - 750) / 4.0);
  EXPECT_NEAR(*density.mass_g, 2 * (0 + 0 + 0.05 + 0.25 + 0.6 + 1), 1e-12) << "no negative density";
}

TEST(LungDensity, OfAnEmptyLungIsUnknown) {
  const LungDensity density = DensityAccumulator().finish(std::nullopt);
  EXPECT_FALSE(density.mean_hu || density.standard_deviation_hu || density.mean_hu_of_lesion || density.mass_g ||
               density.bands[0].percent_of_lung);
}

TEST(Severity, CutOffs) {
  for (const auto& [percent, grade] : std::vector<std::pair<double, std::string>>{{0, "CT-0"},
                                                                                  {0.01, "CT-1"},
                                                                                  {24.9, "CT-1"},
                                                                                  {25, "CT-2"},
                                                                                  {49.9, "CT-2"},
                                                                                  {50, "CT-3"},
                                                                                  {75, "CT-3"},
                                                                                  {75.1, "CT-4"}})
    EXPECT_EQ(severity_of(percent).grade, grade) << percent;
  EXPECT_NE(severity_of(30).source.find("2005.06465"), std::string::npos);
}

/// One column of lung of so many slices, all of it lesion in the lowest.
Measurements tower(std::int64_t lung_slices, bool orientation_known = true) {
  const volume::Geometry grid{.size = {4, 1, 8}, .spacing = {2, 2, 2}};
  ScanMasks masks{masks::RunMask(grid.size), masks::RunMask(grid.size)};
  for (std::int64_t k = 1; k <= lung_slices; ++k) masks.lung->set(k, std::vector<std::uint8_t>{1, 0, 0, 1});
  masks.lesion.set(1, std::vector<std::uint8_t>{1, 0, 0, 1});
  return Measurer({.grid = grid, .orientation_known = orientation_known}, std::move(masks)).finish();
}

TEST(Thirds, AreOfEqualHeightFromTheLowestSliceOfTheLung) {
  const Measurements six = tower(6);
  ASSERT_EQ(six.thirds.size(), 3U);
  EXPECT_EQ(six.thirds[0].name, "upper");
  for (const auto& third : six.thirds) EXPECT_EQ(third.lung_voxels, 4) << third.name;
  EXPECT_EQ(*six.thirds[2].percent_affected, 50);
  EXPECT_EQ(*six.thirds[0].percent_affected, 0);
  const Measurements four = tower(4);  // centres at 1/8, 3/8, 5/8 and 7/8 of the height
  EXPECT_EQ(four.thirds[0].lung_voxels, 2);
  EXPECT_EQ(four.thirds[1].lung_voxels, 4);
  const Measurements one = tower(1);
  EXPECT_EQ(one.thirds[1].lung_voxels, 2);
  EXPECT_FALSE(one.thirds[0].percent_affected) << "no lung, no percentage";
}

TEST(Orientation, UnknownGivesNeitherSidesNorThirds) {
  const Measurements measured = tower(6, false);
  EXPECT_TRUE(measured.sides.empty() && measured.thirds.empty());
  EXPECT_FALSE(measured.lesion_parts.front().side);
  EXPECT_TRUE(has_note(measured, "orientation_unknown"));
  EXPECT_EQ(tower(6).sides.size(), 2U);
}

TEST(Density, AnotherUnitInTheHeaderIsBelieved) {
  const volume::Geometry grid{.size = {2, 1, 1}};
  for (const bool possible : {true, false}) {
    ScanMasks masks{masks::RunMask(grid.size), masks::RunMask(grid.size)};
    masks.lung->set(0, std::vector<std::uint8_t>{1, 0});
    Measurer measurer({.grid = grid, .hounsfield_possible = possible}, std::move(masks));
    measurer.add_slice(0, std::vector<float>{-900, 40});
    const Measurements measured = measurer.finish();
    EXPECT_EQ(measured.density.has_value(), possible);
    EXPECT_EQ(has_note(measured, "not_hounsfield"), !possible);
  }
}

}  // namespace
}  // namespace pulmoseg::quantify
