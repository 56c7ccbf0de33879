#include "pulmoseg/report/canvas.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "report/picture.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

TEST(Canvas, DrawsTextInAFont) {
  const test::TemporaryFolder folder;
  Canvas canvas(folder / "text.png", 100, 40, 2);
  const double narrow = canvas.text_width("iii", {}), wide = canvas.text_width("mmm", {});
  EXPECT_GT(narrow, 0);
  EXPECT_GT(wide, 1.5 * narrow) << "all letters are as wide as each other: no proportional font is installed";
  canvas.text({10, 30}, "Lesion", {.size = 20});
  canvas.save();
  const auto picture = test::read_png(folder / "text.png");
  EXPECT_EQ(picture.width, 200);
  EXPECT_EQ(picture.height, 80);
  EXPECT_GT(picture.count_ink(0, 0, 200, 80), 300);
  EXPECT_EQ(picture.count_ink(0, 70, 200, 80), 0);
}

TEST(Canvas, ALineDoesNotBeginWhereATextEnded) {
  const test::TemporaryFolder folder;
  Canvas canvas(folder / "line.png", 100, 40, 1);
  canvas.text({2, 12}, "a", {.size = 8});
  canvas.line({20, 35}, {90, 35}, {ink, 2, {}});
  canvas.save();
  const auto picture = test::read_png(folder / "line.png");
  EXPECT_EQ(picture.count_ink(0, 14, 100, 33), 0);
  EXPECT_GT(picture.count_ink(20, 33, 90, 37), 100);
}

TEST(Canvas, BytesThatAreNoTextDoNotEndTheDrawing) {
  const test::TemporaryFolder folder;
  Canvas canvas(folder / "bytes.png", 200, 40, 1);
  canvas.text({2, 20}, "a\xff\xfe\x80 \xc3(\xed\xa0\x80 \n ü", {});
  canvas.save();
  EXPECT_GT(test::read_png(folder / "bytes.png").count_ink(0, 0, 200, 40), 20);
}

TEST(Canvas, ShortensAndWraps) {
  const test::TemporaryFolder folder;
  const Canvas canvas(folder / "unused.png", 10, 10, 1);
  const std::string text = "a rather long name of a case, façade included";
  const std::string shorter = canvas.shortened(text, 90, {});
  EXPECT_LE(canvas.text_width(shorter, {}), 90);
  EXPECT_TRUE(shorter.ends_with("…"));
  EXPECT_EQ(canvas.shortened("short", 90, {}), "short");
  const auto lines = canvas.wrapped(text, 90, {});
  EXPECT_GT(lines.size(), 2U);
  std::string joined;
  for (const auto& line : lines) {
    EXPECT_LE(canvas.text_width(line, {}), 90);
    joined += (joined.empty() ? "" : " ") + line;
  }
  EXPECT_EQ(joined, text);
  EXPECT_TRUE(canvas.wrapped("", 90, {}).empty());
}

TEST(Canvas, NamesTheFileThatCannotBeWritten) {
  const test::TemporaryFolder folder;
  Canvas canvas(folder / "missing/picture.png", 10, 10, 1);
  try {
    canvas.save();
    FAIL() << "written into a folder that is not there";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("missing/picture.png"), std::string::npos) << error.what();
  }
}

TEST(Canvas, AFullDiskLeavesTheOldPicture) {
  const test::TemporaryFolder folder;
  write_file(folder / "old.png", "old");
  Canvas canvas(folder / "old.png", 400, 400, 2);
  // A limit on the length of files fails as a full disk does: in the middle of writing.
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 100, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(canvas.save(), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(folder / "old.png").size(), 3U);
}

TEST(Canvas, APictureTooLargeIsAnError) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(Canvas(folder / "large.png", 1e6, 10, 2), Error);
}

}  // namespace
}  // namespace pulmoseg::report
