#include "pulmoseg/report/chart.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdlib>
#include <locale>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "report/picture.hpp"
#include "support/data.hpp"
#include "support/nifti.hpp"

namespace pulmoseg::report {
namespace {

using test::Picture;
using test::Rgb;

constexpr Rgb first_colour{0, 114, 178}, second_colour{213, 94, 0}, grey{93, 107, 122};

Chart losses() {
  Chart chart{.title = "Training", .x_label = "epoch", .y_label = "loss", .whole_x = true, .caption = "made by a test"};
  chart.series = {{"training", {}, {}}, {"validation", {}, {}}};
  for (int epoch = 1; epoch <= 20; ++epoch) {
    for (std::size_t i = 0; i < 2; ++i) {
      chart.series[i].x.push_back(epoch);
      chart.series[i].y.push_back(0.2 * std::exp(-epoch / 5.0) / static_cast<double>(i + 1));
    }
  }
  return chart;
}

class ChartPicture : public testing::Test {
 protected:
  Picture draw(const Chart& chart) {
    draw_chart(chart, folder_ / "chart.png");
    return test::read_png(folder_ / "chart.png");
  }
  /// Pixels of the colour below the legend.
  static int in_plot(const Picture& picture, Rgb colour) {
    return picture.count(colour, 2, 0, 140, picture.width, picture.height);
  }

  test::TemporaryFolder folder_;
};

TEST_F(ChartPicture, HasTheSizeTheLinesAndTheWords) {
  const Picture picture = draw(losses());
  EXPECT_EQ(picture.width, 1600);
  EXPECT_EQ(picture.height, 1000);
  EXPECT_GT(in_plot(picture, first_colour), 1500);
  EXPECT_GT(in_plot(picture, second_colour), 1000);
  EXPECT_GT(picture.count_ink(0, 20, 600, 75), 300) << "no title";
  EXPECT_GT(picture.count_ink(0, 300, 70, 700), 100) << "no label beside the y axis";
  EXPECT_GT(picture.count_ink(0, 950, 1600, 1000), 100) << "no caption";
}

TEST_F(ChartPicture, SameChartSameBytes) {
  draw_chart(losses(), folder_ / "a.png");
  draw_chart(losses(), folder_ / "b.png");
  EXPECT_EQ(read_file(folder_ / "a.png"), read_file(folder_ / "b.png"));
}

/// Numbers as in Germany for iostreams, which need no installed locale.
struct GermanNumbers : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST_F(ChartPicture, TheLocaleChangesNothing) {
  draw_chart(losses(), folder_ / "a.png");
  // The same for C's printf and strtod, under Cairo: what `localedef -i de_DE -f UTF-8` writes as LC_NUMERIC.
  constexpr std::string_view german(
      "\x14\x11\x03\x20\6\0\0\0\x20\0\0\0\x22\0\0\0\x24\0\0\0\x28\0\0\0\x2c\0\0\0\x30\0\0\0"
      ",\0.\0\3\3\0\0,\0\0\0.\0\0\0UTF-8",
      54);
  test::write_bytes(folder_ / "comma/LC_NUMERIC", std::string(german));
  ::setenv("LOCPATH", folder_.path().c_str(), 1);
  const bool found = std::setlocale(LC_NUMERIC, "comma");
  const std::locale before = std::locale::global(std::locale(std::locale(), new GermanNumbers));
  const double half = std::strtod("0,5", nullptr);
  draw_chart(losses(), folder_ / "b.png");
  std::locale::global(before);
  std::setlocale(LC_NUMERIC, "C");
  ::unsetenv("LOCPATH");
  EXPECT_TRUE(found);
  EXPECT_EQ(half, 0.5) << "the locale was not set";
  EXPECT_EQ(read_file(folder_ / "a.png"), read_file(folder_ / "b.png"));
}

TEST_F(ChartPicture, OnePointIsADot) {
  Chart chart = losses();
  for (auto& series : chart.series) series = {series.label, {1}, {series.y[0]}};
  const Picture picture = draw(chart);
  EXPECT_GT(in_plot(picture, first_colour), 40);
  EXPECT_LT(in_plot(picture, first_colour), 150);
}

TEST_F(ChartPicture, ALongLineOfOnePointOnlyIsADotToo) {
  Chart chart = losses();
  chart.series.resize(1);
  chart.series[0].x.assign(200, std::nan(""));
  chart.series[0].y.assign(200, 1);
  chart.series[0].x[100] = 5;
  EXPECT_GT(in_plot(draw(chart), first_colour), 40);
}

TEST_F(ChartPicture, PointsThatAreNotFiniteLeaveAGap) {
  Chart chart{.series = {{"", {0, 1, 2, 3}, {1, std::nan(""), 1, HUGE_VAL}}},
              .x_range = AxisRange{0, 3},
              .y_range = AxisRange{0, 2}};
  EXPECT_LT(in_plot(draw(chart), first_colour), 200);  // two dots
  chart.series[0].y = {1, 1, 1, 1};
  EXPECT_GT(in_plot(draw(chart), first_colour), 2000);  // a line across
}

TEST_F(ChartPicture, WithoutDataItSaysSo) {
  Chart chart = losses();
  chart.series.clear();
  const Picture empty = draw(chart);
  EXPECT_EQ(in_plot(empty, first_colour), 0);
  EXPECT_GT(empty.count(grey, 40, 700, 400, 1000, 560), 50);
  chart = losses();
  for (auto& value : chart.series[0].y) value = -1;
  chart.series.resize(1);
  chart.log_y = true;
  EXPECT_EQ(in_plot(draw(chart), first_colour), 0);
}

TEST_F(ChartPicture, LinesStayInsideOfAFixedRange) {
  Chart chart{.series = {{"", {-5, 5}, {-5, 5}}},
              .x_range = AxisRange{0, 1},
              .y_range = AxisRange{0, 1},
              .square = true,
              .width = 500,
              .height = 500};
  const Picture picture = draw(chart);
  int left = picture.width, right = 0, top = picture.height, bottom = 0;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      if (picture.count(first_colour, 2, x, y, x + 1, y + 1) == 0) continue;
      left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
    }
  }
  EXPECT_NEAR(right - left, bottom - top, 3) << "the plot is not square";
  EXPECT_GT(right - left, 600);
  EXPECT_LT(right, picture.width - 30);
  EXPECT_GT(top, 30);
}

TEST_F(ChartPicture, MarkAndDiagonalAreDrawn) {
  Chart chart = losses();
  const int before = in_plot(draw(chart), grey);
  chart.mark = ChartMark{14, "best epoch: 14"};
  EXPECT_GT(in_plot(draw(chart), grey), before + 200);
  Chart roc{.x_range = AxisRange{0, 1}, .y_range = AxisRange{0, 1}, .diagonal = true};
  roc.series = {{"", {0, 1}, {1, 1}}};
  EXPECT_GT(draw(roc).count({154, 165, 177}, 60, 300, 200, 1300, 800), 300);
}

TEST_F(ChartPicture, NoRoomIsAnErrorThatSaysSo) {
  Chart chart = losses();
  chart.height = 60;
  try {
    draw(chart);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("chart.png: a chart of"), std::string::npos) << error.what();
  }
}

TEST_F(ChartPicture, AnUnwritableFolderIsNamed) {
  try {
    draw_chart(losses(), folder_ / "nowhere/chart.png");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("nowhere/chart.png"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace pulmoseg::report
