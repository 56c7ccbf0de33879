#include "pulmoseg/evaluation/picture_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace pulmoseg::evaluation {
namespace {

using metrics::SliceResult;

/// A slice of 100 lesion pixels of which `hits` were found.
SliceResult lesion_slice(std::uint64_t hits) {
  SliceResult slice;
  slice.case_name = "c";
  slice.counts = {hits, 0, 100 - hits, 900};
  return slice;
}

SliceResult empty_slice() {
  SliceResult slice;
  slice.counts = {0, 0, 0, 1000};
  return slice;
}

/// 0 … 20 lesion slices, the better the later, then 20 slices without lesion.
std::vector<SliceResult> example() {
  std::vector<SliceResult> slices;
  for (std::uint64_t i = 0; i <= 20; ++i) slices.push_back(lesion_slice(4 * i));
  for (int i = 0; i < 20; ++i) slices.push_back(empty_slice());
  return slices;
}

std::map<std::string, std::vector<std::size_t>> by_group(const std::vector<PictureChoice>& choices) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (const auto& choice : choices) {
    groups[choice.group].push_back(choice.slice);
    EXPECT_EQ(choice.rank, std::ssize(groups[choice.group]));
  }
  return groups;
}

TEST(PictureChoice, TakesAQuarterOfEach) {
  auto groups = by_group(choose_pictures(example(), 12, 0));
  EXPECT_EQ(groups["best"], (std::vector<std::size_t>{20, 19, 18}));
  EXPECT_EQ(groups["worst"], (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(groups["median"].front(), 10u);
  std::ranges::sort(groups["median"]);
  EXPECT_EQ(groups["median"], (std::vector<std::size_t>{9, 10, 11}));
  EXPECT_EQ(groups["sample"].size(), 3u);
}

TEST(PictureChoice, NeverDrawsASliceTwice) {
  for (const std::int64_t count : {0, 1, 2, 3, 5, 13, 40, 41, 100}) {
    const auto choices = choose_pictures(example(), count, 3);
    EXPECT_EQ(std::ssize(choices), std::min<std::int64_t>(count, 41));
    std::set<std::size_t> slices;
    for (const auto& choice : choices) slices.insert(choice.slice);
    EXPECT_EQ(slices.size(), choices.size());
  }
}

TEST(PictureChoice, TheFirstPictureIsTheWorst) {
  const auto choices = choose_pictures(example(), 1, 0);
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_EQ(choices.front().group, "worst");
  EXPECT_EQ(choices.front().slice, 0u);
}

TEST(PictureChoice, TheSampleIsSeeded) {
  const auto sample = [](std::uint64_t seed) { return by_group(choose_pictures(example(), 16, seed))["sample"]; };
  EXPECT_EQ(sample(1), sample(1));
  EXPECT_NE(sample(1), sample(2));
}

TEST(PictureChoice, TheSampleReachesEverySliceThatIsLeft) {
  std::set<std::size_t> seen;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto groups = by_group(choose_pictures(example(), 4, seed));
    for (const auto slice : groups.at("sample")) seen.insert(slice);
  }
  EXPECT_EQ(seen.size(), 41u - 3u);
}

TEST(PictureChoice, SlicesWithoutLesionAreOnlySampled) {
  auto groups = by_group(choose_pictures(std::vector(5, empty_slice()), 4, 0));
  EXPECT_EQ(groups["sample"].size(), 4u);
  EXPECT_EQ(groups.size(), 1u);
}

TEST(PictureChoice, OfFewSlicesTheBestIsNotCalledWorst) {
  auto groups = by_group(choose_pictures(std::vector{lesion_slice(90), lesion_slice(20), empty_slice()}, 12, 0));
  EXPECT_EQ(groups["worst"], std::vector<std::size_t>{1});
  EXPECT_EQ(groups["best"], std::vector<std::size_t>{0});
  EXPECT_EQ(groups["sample"], std::vector<std::size_t>{2});
}

TEST(PictureChoice, OneSliceIsDrawnOnce) {
  EXPECT_EQ(choose_pictures(std::vector{lesion_slice(50)}, 12, 0).size(), 1u);
  EXPECT_TRUE(choose_pictures({}, 12, 0).empty());
}

TEST(PictureName, KeepsWhatIsHarmless) {
  SliceResult slice;
  slice.slice = 42;
  const PictureChoice choice{"worst", 2, 0};
  slice.case_name = "radiopaedia_10_85";
  EXPECT_EQ(picture_name(choice, slice), "worst_2_radiopaedia_10_85_slice042.png");
  slice.case_name = "../Müller, A/1:b";
  EXPECT_EQ(picture_name(choice, slice), "worst_2_.._Müller__A_1_b_slice042.png");
}

TEST(PictureName, CutsLongNamesBetweenCharacters) {
  SliceResult slice;
  slice.case_name = std::string(99, 'x') + "ü" + std::string(50, 'y');
  EXPECT_EQ(picture_name({"best", 1, 0}, slice), "best_1_" + std::string(99, 'x') + "_slice000.png");
}

}  // namespace
}  // namespace pulmoseg::evaluation
