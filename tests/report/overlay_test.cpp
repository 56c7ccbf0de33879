#include "pulmoseg/report/overlay.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "report/picture.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

using test::Picture;

using Mask = std::vector<std::uint8_t>;
constexpr test::Rgb lesion_colour{230, 159, 0}, lung_colour{86, 180, 233};

/// A slice of 2 x 2 pixels with `lesion` lesion pixels.
void offer(SliceGallery& gallery, std::int64_t index, int lesion) {
  Mask mask(4);
  std::fill_n(mask.begin(), lesion, std::uint8_t{1});
  gallery.offer(index, 2, 2, std::vector<float>(4, static_cast<float>(index)), mask);
}

std::vector<std::int64_t> indices(const SliceGallery& gallery) {
  std::vector<std::int64_t> all;
  for (const auto& slice : gallery.finish()) {
    all.push_back(slice.index);
    EXPECT_EQ(slice.pixels.front(), static_cast<float>(slice.index));
  }
  return all;
}

TEST(SliceGallery, KeepsTheWorstSliceOfEachBandInAnyOrder) {
  const std::vector<int> lesion{0, 0, 0, 0, 0, 1, 3, 3, 2, 0, 4, 4};  // three bands of four
  SliceGallery upwards(12, 3), downwards(12, 3);
  for (std::int64_t i = 0; i < 12; ++i) {
    offer(upwards, i, lesion[static_cast<std::size_t>(i)]);
    offer(downwards, 11 - i, lesion[static_cast<std::size_t>(11 - i)]);
  }
  const std::vector<std::int64_t> expected{
      1, 6, 10};  // the middle one without lesion; of two alike the one nearer the middle
  EXPECT_EQ(indices(upwards), expected);
  EXPECT_EQ(indices(downwards), expected);
}

TEST(SliceGallery, ShortScansAreKeptWhole) {
  SliceGallery gallery(5);
  for (std::int64_t i = 0; i < 5; ++i) offer(gallery, i, 0);
  EXPECT_EQ(indices(gallery), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  SliceGallery one(1);
  offer(one, 0, 4);
  EXPECT_EQ(indices(one), (std::vector<std::int64_t>{0}));
  EXPECT_TRUE(SliceGallery(0).finish().empty());
}

TEST(SliceGallery, NumbersOfSlicesThatDoNotDivideLoseNoBand) {
  for (std::int64_t slices = 1; slices < 60; ++slices) {
    SliceGallery gallery(slices, 12);
    for (std::int64_t i = 0; i < slices; ++i) offer(gallery, i, static_cast<int>(i % 4));
    EXPECT_EQ(gallery.finish().size(), static_cast<std::size_t>(std::min<std::int64_t>(slices, 12)));
  }
}

TEST(SliceGallery, RefusesWhatIsNotOfTheScan) {
  SliceGallery gallery(3);
  EXPECT_THROW(offer(gallery, 3, 0), Error);
  EXPECT_THROW(gallery.offer(0, 2, 2, std::vector<float>(3), Mask(4)), Error);
  EXPECT_THROW(gallery.offer(0, 2, 2, std::vector<float>(4), Mask(4), Mask(1)), Error);
}

/// A square lesion in the middle of a dark slice, in a lung around it.
GallerySlice example(std::int64_t index, bool with_lung) {
  GallerySlice slice{.index = index,
                     .rows = 100,
                     .columns = 100,
                     .pixels = std::vector<float>(10000, -500),
                     .lesion = Mask(10000),
                     .lung = {}};
  if (with_lung) slice.lung = Mask(10000);
  for (std::size_t row = 20; row < 80; ++row) {
    for (std::size_t column = 20; column < 80; ++column) {
      const bool inner = row >= 40 && row < 60 && column >= 40 && column < 60;
      slice.lesion[row * 100 + column] = inner;
      if (with_lung) slice.lung[row * 100 + column] = 1;
    }
  }
  slice.pixels[0] = -1000;
  slice.pixels[1] = 400;
  return slice;
}

class MontagePicture : public testing::Test {
 protected:
  Picture draw(const Montage& montage) {
    draw_montage(montage, folder_ / "montage.png");
    return test::read_png(folder_ / "montage.png");
  }
  test::TemporaryFolder folder_;
};

TEST_F(MontagePicture, OutlinesLesionAndLung) {
  const Montage with_lung{
      .title = "scan", .facts = {"a", "b"}, .slices = {example(3, true), example(9, true)}, .caption = "test"};
  const Picture picture = draw(with_lung);
  EXPECT_GT(picture.count(lesion_colour, 12, 0, 130, picture.width, picture.height), 300);
  EXPECT_GT(picture.count(lung_colour, 12, 0, 130, picture.width, picture.height), 100);  // a fine line
  Montage without = with_lung;
  without.slices = {example(3, false), example(9, false)};
  const Picture plain = draw(without);
  EXPECT_EQ(plain.count(lung_colour, 12), 0);
  EXPECT_GT(plain.count(lesion_colour, 12, 0, 130, plain.width, plain.height), 300);
}

TEST_F(MontagePicture, TheLungFillsItsTile) {
  const Picture cut = draw({.slices = {example(3, true)}});
  const Picture whole = draw({.slices = {example(3, false)}});
  EXPECT_GT(cut.count(lesion_colour, 12, 0, 100, cut.width, cut.height),
            1.15 * whole.count(lesion_colour, 12, 0, 100, whole.width, whole.height));
}

TEST_F(MontagePicture, HounsfieldUnitsGetTheLungWindow) {
  const Picture picture = draw({.slices = {example(3, false)}, .orientation_known = false});
  // -500 HU in the window -1350 ... 150: 850 / 1500 of white.
  EXPECT_GT(picture.count({145, 145, 145}, 2), 100000);
}

TEST_F(MontagePicture, AWindowThatIsGivenIsUsed) {
  const Picture picture = draw({.slices = {example(3, false)}, .window = Window{-1000, 0}, .orientation_known = false});
  EXPECT_GT(picture.count({128, 128, 128}, 2), 100000);
}

TEST_F(MontagePicture, SidesAreNamedOnlyWhenKnown) {
  // The letters stand on darkened boxes at the sides of the tile.
  const Picture known = draw({.slices = {example(3, false)}});
  const Picture unknown = draw({.slices = {example(3, false)}, .orientation_known = false});
  EXPECT_GT(known.count({72, 72, 72}, 3), unknown.count({72, 72, 72}, 3) + 200);
}

TEST_F(MontagePicture, TilesKeepTheShapeOfThePatient) {
  const Picture square = draw({.slices = {example(3, false)}});
  const Picture flat = draw({.slices = {example(3, false)}, .spacing = {.column = 1, .row = 0.5}});
  EXPECT_NEAR(square.height - flat.height, 208, 2);
}

TEST_F(MontagePicture, SameSlicesSameBytes) {
  const Montage montage{.slices = {example(3, true)}};
  draw_montage(montage, folder_ / "a.png");
  draw_montage(montage, folder_ / "b.png");
  EXPECT_EQ(read_file(folder_ / "a.png"), read_file(folder_ / "b.png"));
}

TEST_F(MontagePicture, NoSlicesGiveTheHeadingAlone) { EXPECT_GT(draw({.title = "scan"}).count_ink(0, 0, 400, 80), 50); }

TEST_F(MontagePicture, RefusesSlicesOfTwoSizesAndWrongMasks) {
  Montage montage{.slices = {example(3, true), example(4, true)}};
  montage.slices[1].rows = 50;
  EXPECT_THROW(draw(montage), Error);
  montage.slices[1].rows = 100;
  montage.slices[1].lung.pop_back();
  EXPECT_THROW(draw(montage), Error);
}

TEST_F(MontagePicture, AnUnwritableFolderIsNamed) {
  try {
    draw_montage({}, folder_ / "nowhere/montage.png");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("nowhere/montage.png"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace pulmoseg::report
