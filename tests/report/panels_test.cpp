#include "pulmoseg/report/panels.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "report/picture.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

using test::Picture;
using test::Rgb;

constexpr int side = 64;
constexpr int margin = 40, gap = 24, top = 132, enlarged = 12;  // picture pixels

/// Black but for one white pixel; the truth is columns 8 to 23, the prediction 16 to 31, both in rows 10 to 19.
struct Example {
  std::vector<float> image = std::vector<float>(side * side);
  std::vector<std::uint8_t> truth = std::vector<std::uint8_t>(side * side), prediction = truth;

  Example() {
    image[side * side - 1] = 1;
    for (int row = 10; row < 20; ++row) {
      for (int column = 8; column < 24; ++column) {
        truth[static_cast<std::size_t>(row * side + column)] = 1;
        prediction[static_cast<std::size_t>(row * side + column + 8)] = 255;
      }
    }
  }
  Panels panels() const {
    return {.rows = side,
            .columns = side,
            .image = image,
            .truth = truth,
            .prediction = prediction,
            .spacing = {},
            .window = {},
            .title = "case_1, slice 3",
            .dice = 0.5,
            .iou = 1.0 / 3,
            .caption = "test"};
  }
};

/// Colour of the middle of slice pixel (row, column) in a panel.
Rgb pixel(const Picture& picture, int panel, int row, int column) {
  return picture.at(margin + panel * (side * enlarged + gap) + column * enlarged + enlarged / 2,
                    top + row * enlarged + enlarged / 2);
}

Rgb over_black(int red, int green, int blue) {
  const auto part = [](int channel) { return static_cast<int>(std::lround(channel * 0.55)); };
  return {part(red), part(green), part(blue)};
}

void expect_near(Rgb found, Rgb expected) {
  EXPECT_NEAR(found.red, expected.red, 2);
  EXPECT_NEAR(found.green, expected.green, 2);
  EXPECT_NEAR(found.blue, expected.blue, 2);
}

class PanelsPicture : public testing::Test {
 protected:
  Picture draw(const Panels& panels) {
    draw_panels(panels, folder_ / "panels.png");
    return test::read_png(folder_ / "panels.png");
  }
  test::TemporaryFolder folder_;
  Example example_;
};

TEST_F(PanelsPicture, ShowsRightExtraAndMissedInTheirColours) {
  const Picture picture = draw(example_.panels());
  EXPECT_EQ(picture.width, 2 * margin + 2 * gap + 3 * side * enlarged);
  expect_near(pixel(picture, 0, 15, 12), {0, 0, 0});
  expect_near(pixel(picture, 0, 63, 63), {255, 255, 255});
  expect_near(pixel(picture, 1, 15, 12), over_black(204, 121, 167));  // lesion
  expect_near(pixel(picture, 1, 15, 28), {0, 0, 0});
  expect_near(pixel(picture, 2, 15, 20), over_black(86, 180, 233));  // true positive
  expect_near(pixel(picture, 2, 15, 28), over_black(240, 228, 66));  // false positive
  expect_near(pixel(picture, 2, 15, 12), over_black(213, 94, 0));    // false negative
  expect_near(pixel(picture, 2, 25, 20), {0, 0, 0});
}

TEST_F(PanelsPicture, MaskEdgesAreSharp) {
  const Picture picture = draw(example_.panels());
  const int y = top + 15 * enlarged, first = margin + side * enlarged + gap + 8 * enlarged;
  expect_near(picture.at(first - 3, y), {0, 0, 0});
  expect_near(picture.at(first + 3, y), over_black(204, 121, 167));
}

TEST_F(PanelsPicture, HasItsWords) {
  const Picture picture = draw(example_.panels());
  EXPECT_GT(picture.count_ink(margin, 40, 600, 72), 200) << "no title";
  EXPECT_GT(picture.count_ink(picture.width - 500, 40, picture.width - margin, 72), 200) << "no Dice and IoU";
  EXPECT_GT(picture.count_ink(margin, picture.height - 50, 800, picture.height), 50) << "no caption";
}

TEST_F(PanelsPicture, PixelsLieAsInThePatient) {
  Panels panels = example_.panels();
  panels.spacing = {.column = 1, .row = 0.5};
  const Picture flat = draw(panels);
  panels.spacing = {};
  const Picture square = draw(panels);
  EXPECT_NEAR(square.height - flat.height, side * enlarged / 2, 2);
}

TEST_F(PanelsPicture, SmallSlicesGrowLargeOnesStay) {
  for (const std::int64_t size : {1, 128, 256, 630}) {
    const std::vector<float> image(static_cast<std::size_t>(size * size), 3);
    const std::vector<std::uint8_t> mask(image.size(), 1);
    const Picture picture = draw({.rows = size, .columns = size, .image = image, .truth = mask, .prediction = mask});
    EXPECT_NEAR(picture.width, 2 * margin + 2 * gap + 3 * 768, 1) << size;
  }
}

TEST_F(PanelsPicture, SameSliceSameBytes) {
  draw_panels(example_.panels(), folder_ / "a.png");
  draw_panels(example_.panels(), folder_ / "b.png");
  EXPECT_EQ(read_file(folder_ / "a.png"), read_file(folder_ / "b.png"));
}

TEST_F(PanelsPicture, UndefinedFiguresAndNoLesionAreDrawn) {
  Panels panels = example_.panels();
  const std::vector<std::uint8_t> empty(side * side);
  panels.truth = panels.prediction = empty;
  panels.dice = std::nan("");
  panels.iou.reset();
  const Picture picture = draw(panels);
  expect_near(pixel(picture, 2, 15, 20), {0, 0, 0});
}

TEST_F(PanelsPicture, RefusesSpansOfAnotherSize) {
  Panels panels = example_.panels();
  panels.rows = side - 1;
  EXPECT_THROW(draw(panels), Error);
  EXPECT_THROW(draw({}), Error);
}

}  // namespace
}  // namespace pulmoseg::report
