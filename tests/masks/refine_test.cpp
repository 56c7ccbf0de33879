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

Masks refined(const RefineOptions& options, double voxel_ml = 0.1, bool with_lung = true) {
  RunMask of_lesion = RunMask::of(lesion, size), of_lung = RunMask::of(lung, size);
  refine(of_lesion, with_lung ? &of_lung : nullptr, voxel_ml, options);
  return {of_lesion.pixels(0), of_lung.pixels(0)};
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
  EXPECT_EQ(std::ranges::count(refined({.speck_ml = 0.15}, 0.1, false).lesion, 1), 6);
}

TEST(Refine, NothingFoundStaysNothing) {
  RunMask none(size), no_lung(size);
  refine(none, &no_lung, 0.1);
  EXPECT_EQ(none, RunMask(size));
  EXPECT_EQ(no_lung, RunMask(size));
}

}  // namespace
}  // namespace pulmoseg::masks
