#include "pulmoseg/masks/run_mask.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::masks {
namespace {

using Mask = std::vector<std::uint8_t>;
using Runs = std::vector<masks::Run>;

TEST(RunMask, RunsEndWithTheirRow) {
  const RunMask mask = RunMask::of(Mask{0, 7, 255,  //
                                        1, 0, 1,    //
                                        0, 0, 0,    //
                                        1, 1, 1},
                                   {3, 2, 2});
  EXPECT_EQ(Runs(mask.runs(0).begin(), mask.runs(0).end()), (Runs{{1, 3}, {3, 4}, {5, 6}}));
  EXPECT_EQ(Runs(mask.runs(1).begin(), mask.runs(1).end()), (Runs{{3, 6}}));
  EXPECT_EQ(mask.pixels(0), (Mask{0, 1, 1, 1, 0, 1}));
  EXPECT_EQ(mask.pixels(1), (Mask{0, 0, 0, 1, 1, 1}));
}

TEST(RunMask, IsEmptyAtFirstAndTakesSlicesInAnyOrder) {
  RunMask mask({2, 1, 2});
  EXPECT_EQ(mask, RunMask::of(Mask(4), {2, 1, 2}));
  mask.set(1, Mask{0, 1});
  mask.set(0, Mask{1, 1});
  mask.set(0, Mask{1, 0});
  EXPECT_EQ(mask, RunMask::of(Mask{1, 0, 0, 1}, {2, 1, 2}));
}

TEST(RunMask, IntersectionIsWhatBothHave) {
  const Size size{9, 3, 2};
  Mask one(54), other(54), both(54);
  for (std::size_t i = 0; i < one.size(); ++i) {
    one[i] = i * 7 % 5 < 3;
    other[i] = i * 11 % 7 < 4;
    both[i] = one[i] && other[i];
  }
  EXPECT_EQ(intersection(RunMask::of(one, size), RunMask::of(other, size)), RunMask::of(both, size));
  EXPECT_THROW(intersection(RunMask(size), RunMask({9, 2, 3})), Error);
}

TEST(RunMask, AnotherSizeIsRefused) {
  EXPECT_THROW(RunMask::of(Mask(5), {2, 3, 1}), Error);
  EXPECT_THROW(RunMask({2, 3, 1}).set(0, Mask(5)), Error);
  EXPECT_THROW(RunMask({2, 3, 1}).set(1, Mask(6)), std::out_of_range);
  EXPECT_THROW(RunMask({100'000, 100'000, 1}), Error);
}

}  // namespace
}  // namespace pulmoseg::masks
