#include "pulmoseg/report/case_views.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::report {
namespace {

using Mask = std::vector<std::uint8_t>;

/// 8 columns, 6 rows, 4 slices of 1 x 2 x 5 mm; a pixel's value is its slice * 100 + row * 10 + column.
const volume::Geometry grid{.size = {8, 6, 4}, .spacing = {1, 2, 5}};

struct Slice {
  std::vector<float> pixels = std::vector<float>(48);
  Mask lesion = Mask(48), lung = Mask(48);
};

std::vector<Slice> example() {
  std::vector<Slice> slices(4);
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t row = 0; row < 6; ++row) {
      for (std::size_t column = 0; column < 8; ++column)
        slices[k].pixels[row * 8 + column] = static_cast<float>(k * 100 + row * 10 + column);
    }
  }
  std::ranges::fill(slices[1].lung, std::uint8_t{1});
  for (const std::size_t row : {2, 3, 4}) slices[1].lesion[row * 8 + 5] = 1;  // one column, three rows deep
  slices[2].lesion[4 * 8 + 1] = 1;
  return slices;
}

UprightViews gather(const std::vector<Slice>& slices, bool with_lung, bool backwards = false) {
  CaseViews views(grid);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const std::size_t k = backwards ? slices.size() - 1 - i : i;
    views.add({static_cast<std::int64_t>(k), 6, 8, slices[k].pixels, slices[k].lesion,
               with_lung ? std::span<const std::uint8_t>(slices[k].lung) : std::span<const std::uint8_t>()});
  }
  return views.finish();
}

TEST(CaseViews, ShowThePlanesWithTheMostLesionUpright) {
  const auto views = gather(example(), true);
  EXPECT_EQ(views.coronal.slice.index, 4);   // two lesion voxels; rows 2 and 3 have one
  EXPECT_EQ(views.sagittal.slice.index, 5);  // three
  ASSERT_EQ(views.coronal.slice.rows, 4);
  ASSERT_EQ(views.coronal.slice.columns, 8);
  EXPECT_EQ(views.coronal.slice.pixels.front(),
            340);  // the highest slice stands at the top, the right side at the left
  EXPECT_EQ(views.coronal.slice.pixels.back(), 47);
  EXPECT_EQ(views.sagittal.slice.pixels.front(), 305);  // anterior at the left
  EXPECT_EQ(views.sagittal.slice.columns, 6);
  EXPECT_EQ(views.coronal.slice.lesion[2 * 8 + 5], 1);  // slice 1 is the third from the top
  EXPECT_EQ(views.coronal.slice.lesion[1 * 8 + 1], 1);
  EXPECT_EQ(views.coronal.slice.lung[2 * 8 + 0], 1);
  EXPECT_EQ(views.coronal.spacing.column, 1);
  EXPECT_EQ(views.coronal.spacing.row, 5);
  EXPECT_EQ(views.sagittal.spacing.column, 2);
}

TEST(CaseViews, TheMapIsTheDepthOfLesionInMillimetres) {
  const auto map = gather(example(), true).map;
  ASSERT_EQ(map.lesion_depth.size(), 32U);
  EXPECT_EQ(map.lesion_depth[2 * 8 + 5], 6);  // three rows of 2 mm
  EXPECT_EQ(map.lesion_depth[1 * 8 + 1], 2);
  EXPECT_EQ(std::accumulate(map.lesion_depth.begin(), map.lesion_depth.end(), 0.0F), 8);
  EXPECT_EQ(std::accumulate(map.lung.begin(), map.lung.end(), 0), 8);
}

TEST(CaseViews, TheOrderOfTheSlicesDoesNotMatter) {
  const auto a = gather(example(), true), b = gather(example(), true, true);
  EXPECT_EQ(a.coronal.slice.pixels, b.coronal.slice.pixels);
  EXPECT_EQ(a.map.lesion_depth, b.map.lesion_depth);
}

TEST(CaseViews, WithoutALungMaskThereIsNoLung) {
  const auto views = gather(example(), false);
  EXPECT_TRUE(views.coronal.slice.lung.empty());
  EXPECT_EQ(std::accumulate(views.map.lung.begin(), views.map.lung.end(), 0), 0);
}

TEST(CaseViews, LargeScansAreThinnedOutWithTheirSpacing) {
  const volume::Geometry large{.size = {1030, 3, 800}, .spacing = {0.5, 0.5, 1}};
  CaseViews views(large);
  const std::vector<float> pixels(3090);
  const Mask lesion(3090, 1);
  for (std::int64_t k = 0; k < 800; ++k) views.add({k, 3, 1030, pixels, lesion, {}});
  const auto result = views.finish();
  EXPECT_EQ(result.coronal.slice.columns, 344);
  EXPECT_EQ(result.coronal.slice.rows, 400);
  EXPECT_EQ(result.coronal.spacing.column, 1.5);
  EXPECT_EQ(result.coronal.spacing.row, 2);
  EXPECT_FLOAT_EQ(result.map.lesion_depth[1000], 1.5F);  // the depth is a mean over what a place holds
}

TEST(CaseViews, RefuseWhatIsNotOfTheScan) {
  CaseViews views(grid);
  const std::vector<float> pixels(48);
  const Mask mask(48);
  EXPECT_THROW(views.add({4, 6, 8, pixels, mask, {}}), Error);
  EXPECT_THROW(views.add({0, 8, 6, pixels, mask, {}}), Error);
  EXPECT_THROW(views.add({0, 6, 8, std::span(pixels).first(47), mask, {}}), Error);
}

}  // namespace
}  // namespace pulmoseg::report
