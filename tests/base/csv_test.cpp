#include "pulmoseg/base/csv.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

std::string message_for(const std::string& text) {
  const test::TemporaryFolder folder;
  write_file(folder / "t.csv", text);
  try {
    read_csv(folder / "t.csv");
  } catch (const Error& error) {
    return std::string(error.what()).substr((folder / "t.csv").string().size());
  }
  return "";
}

TEST(Csv, ReadsWhatSpreadsheetsWrite) {
  const test::TemporaryFolder folder;
  write_file(folder / "t.csv",
             "\xEF\xBB\xBF"
             "case,note\r\nä,\"a, \"\"b\"\"\nc\"\r\n\r\n,\n");
  const CsvTable table = read_csv(folder / "t.csv");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"case", "note"}));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"ä", "a, \"b\"\nc"}));
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"", ""}));
  EXPECT_EQ(table.column("note"), 1u);
  EXPECT_THROW(table.column("patient"), Error);
}

TEST(Csv, WritesWhatItReads) {
  const std::vector<std::string> cells{"plain", "a,b", "q\"q", "two\nlines", ""};
  const test::TemporaryFolder folder;
  write_file(folder / "t.csv", "a,b,c,d,e\n" + csv_line(cells));
  EXPECT_EQ(read_csv(folder / "t.csv").rows.at(0), cells);
}

TEST(Csv, SaysWhatIsWrong) {
  EXPECT_EQ(message_for(""), ": is empty, expected a line of column names");
  EXPECT_EQ(message_for("a,b\n1\n"), ": row 1 has 1 cells, expected 2 (a,b)");
  EXPECT_EQ(message_for("a,a\n"), ": names a column twice: a,a; rename one");
  EXPECT_EQ(message_for("a\n\"x\n"), ": a quoted cell does not end; close its quote");
}

TEST(Number, IsTheWholeTextOrNothing) {
  EXPECT_EQ(parse_number<double>("1.5"), 1.5);
  EXPECT_EQ(parse_number<int>("12"), 12);
  EXPECT_FALSE(parse_number<int>("12x"));
  EXPECT_FALSE(parse_number<double>("1,5"));
  EXPECT_FALSE(parse_number<double>(""));
}

}  // namespace
}  // namespace pulmoseg
