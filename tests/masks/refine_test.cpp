#include "pulmoseg/masks/refine.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace pulmoseg::masks {
namespace {

using Mask = std::vector<std::uint8_t>;

/// Two lungs of 3 x 3 with a vessel in one, a speck of lung, and lesions in a lung, in its vessel and outside.
constexpr Size size{9, 4, 1};
const Mask lung{1, 1, 1, 0, 1, 1, 1, 0, 1,  //
                1, 0, 1, 0, 1, 1, 1, 0, 0,  //
                1, 1, 1, 0, 1, 1, 1, 0, 0,  //
                0, 0, 0, 0, 0, 0, 0, 0, 0};
const Mask lesion{0, 0, 0, 0, 1, 1, 0, 0, 1,  //
                  0, 1, 0, 0, 1, 1, 0, 0, 0,  //
                  0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                  0, 1, 1, 0, 0, 0, 0, 0, 0};

struct Masks {
  Mask lesion, lung;
};

Masks refined(const RefineOptions& options, double voxel_ml = 0.1, Mask of_lung = lung) {
  Masks masks{lesion, std::move(of_lung)};
  refine(masks.lesion, masks.lung, size, voxel_ml, options);
  return masks;
}

TEST(Refine, LungsAreTwoAndSolidAndHoldTheLesions) {
  const Masks masks = refined({.speck_ml = 0});
  EXPECT_EQ(masks.lung, (Mask{1, 1, 1, 0, 1, 1, 1, 0, 0,  //
                              1, 1, 1, 0, 1, 1, 1, 0, 0,  //
                              1, 1, 1, 0, 1, 1, 1, 0, 0,  //
                              0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(masks.lesion, (Mask{0, 0, 0, 0, 1, 1, 0, 0, 0,  //
                                0, 1, 0, 0, 1, 1, 0, 0, 0,  //
                                0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Refine, SpecksAreMeasuredInMillilitres) {
  const Masks masks = refined({.lungs = false, .lesion_in_lung = false, .speck_ml = 0.25}, 0.1);
  EXPECT_EQ(masks.lung, lung);
  EXPECT_EQ(std::ranges::count(masks.lesion, 1), 4);  // 0.4 ml; the others have 0.1 and 0.2
  EXPECT_EQ(std::ranges::count(refined({.lesion_in_lung = false, .speck_ml = 0.2}, 0.1).lesion, 1), 6);
  EXPECT_EQ(refined({.lesion_in_lung = false, .speck_ml = 0.25}, 0).lesion, lesion) << "no volume is known";
}

TEST(Refine, WithoutALungOnlySpecksGo) {
  EXPECT_EQ(std::ranges::count(refined({.speck_ml = 0.15}, 0.1, {}).lesion, 1), 6);
}

TEST(Refine, NothingFoundStaysNothing) {
  Mask none(36), no_lung(36);
  refine(none, no_lung, size, 0.1);
  EXPECT_EQ(none, Mask(36));
  EXPECT_EQ(no_lung, Mask(36));
}

}  // namespace
}  // namespace pulmoseg::masks
