#include "pulmoseg/report/html.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/report/case_facts.hpp"
#include "pulmoseg/report/histogram.hpp"
#include "pulmoseg/report/mask_shape.hpp"
#include "report/picture.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

TEST(Html, EscapesWhatWouldBeRead) {
  EXPECT_EQ(escaped("<script>\"a\" & 'b'</script>"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
  EXPECT_EQ(escaped("M\xc3\xbcller \xff\xed\xa0\x80\n"), "M\xc3\xbcller ?????");
}

TEST(Html, PicturesAreBase64) {  // the vectors of RFC 4648, section 10
  EXPECT_EQ(png_uri(""), "data:image/png;base64,");
  EXPECT_EQ(png_uri("f"), "data:image/png;base64,Zg==");
  EXPECT_EQ(png_uri("fo"), "data:image/png;base64,Zm8=");
  EXPECT_EQ(png_uri("foo"), "data:image/png;base64,Zm9v");
  EXPECT_EQ(png_uri("foob"), "data:image/png;base64,Zm9vYg==");
  EXPECT_EQ(png_uri("fooba"), "data:image/png;base64,Zm9vYmE=");
  EXPECT_EQ(png_uri("foobar"), "data:image/png;base64,Zm9vYmFy");
}

TEST(Html, GreyPicturesKeepTheirPixels) {
  const test::TemporaryFolder folder;
  const std::vector<std::uint8_t> grey{0, 1, 127, 128, 254, 255};
  write_file(folder / "grey.png", grey_png(2, 3, grey));
  EXPECT_EQ(read_file(folder / "grey.png")[25], 0);  // IHDR's colour type: grey
}

TEST(OutlinePath, IsClosedLines) {
  const std::vector<std::uint8_t> one{0, 0, 0, 0, 1, 0, 0, 0, 0};
  const std::string path = outline_path(one, 3, 3);
  EXPECT_EQ(std::ranges::count(path, 'M'), 1);
  EXPECT_EQ(std::ranges::count(path, 'l'), 4);
  EXPECT_TRUE(path.ends_with('z'));
  EXPECT_TRUE(outline_path(std::vector<std::uint8_t>(9), 3, 3).empty());
}

TEST(OutlinePath, HolesAndNeighboursAtACornerAreLinesOfTheirOwn) {
  const std::vector<std::uint8_t> ring{1, 1, 1, 1, 0, 1, 1, 1, 1}, corner{1, 0, 0, 1};
  EXPECT_EQ(std::ranges::count(outline_path(ring, 3, 3), 'M'), 2);
  EXPECT_EQ(std::ranges::count(outline_path(corner, 2, 2), 'M'), 2);
}

TEST(OutlinePath, StraightLinesAreOne) {
  const std::vector<std::uint8_t> bar(120, 1);
  EXPECT_EQ(std::ranges::count(outline_path(bar, 3, 40), 'l'), 8);  // four sides, four cut corners
}

TEST(CaseFacts, NamesAndDates) {
  EXPECT_EQ(person_name("Doe^Jane^Ann"), "Doe, Jane Ann");
  EXPECT_EQ(person_name("Doe"), "Doe");
  EXPECT_EQ(person_name("^Jane"), "Jane");
  EXPECT_EQ(person_name("Yamada^Tarou=山田^太郎"), "Yamada, Tarou");
  EXPECT_EQ(person_name("=山田^太郎=やまだ^たろう"), "山田, 太郎");
  EXPECT_EQ(person_name("=="), "");
  EXPECT_EQ(person_name("Adams^John^^Rev.^B.A."), "Adams, John Rev. B.A.");
  EXPECT_EQ(person_name(""), "");
  EXPECT_EQ(iso_date("20210331"), "2021-03-31");
  EXPECT_EQ(iso_date("2021"), "2021");
}

TEST(Histogram, CountsEveryValue) {
  const std::vector<double> values{0, 0, 0, 10, 100};
  const std::string svg = histogram_svg(values, "share, <%>");
  EXPECT_NE(svg.find("share, &lt;%&gt;"), std::string::npos);
  std::size_t bars = 0;
  for (std::size_t at = 0; (at = svg.find("<rect", at)) != std::string::npos; ++at) ++bars;
  EXPECT_EQ(bars, 3U);
}

}  // namespace
}  // namespace pulmoseg::report
