#include "pulmoseg/report/cohort_page.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/measurement_report.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

/// The `data` of the page's script.
nlohmann::json data_in(const std::string& html) {
  const std::size_t from = html.find("const data=") + 11;
  return nlohmann::json::parse(html.substr(from, html.find(";\n", from) - from));
}

const CsvTable table{
    .file = {},
    .columns = {"case", "percent_affected", "lesion_ml", "severity", "something_new", "notes"},
    .rows = {{"a</script><script>alert(1)</script>", "10.5", "3", "CT-1", "x", "equalised unfamiliar_input"},
             {"b", "", "", "CT-1", "", "equalised"},
             {"17", "30.5", "5", "CT-2", "7", ""}}};

TEST(CohortPage, HoldsTheWholeTable) {
  const std::string html = cohort_page_html(table, [](const auto&) { return std::filesystem::path(); });
  const auto data = data_in(html);
  EXPECT_EQ(data["rows"].size(), 3U);
  EXPECT_EQ(data["rows"][0][0], table.rows[0][0]);
  EXPECT_EQ(data["columns"][1]["label"], "lung affected, %");
  EXPECT_EQ(data["columns"][1]["number"], true);
  EXPECT_EQ(data["columns"][0]["number"], false);
  EXPECT_EQ(data["columns"][4]["label"], "something new");
  EXPECT_EQ(data["columns"][4]["number"], false);
  EXPECT_NE(html.find("<b>20.5</b>"), std::string::npos);  // median of the two that are known
  EXPECT_NE(html.find("equalised</button> 2<"), std::string::npos);
  EXPECT_NE(html.find("CT-1</button> 2<"), std::string::npos);
  EXPECT_NE(html.find("histogram: lung affected, %"), std::string::npos);
  EXPECT_NE(html.find(research_use), std::string::npos);
}

TEST(CohortPage, WhatIsNoNumberMakesAColumnOfText) {
  CsvTable odd = table;
  for (const char* text : {"nan", "inf", "-", "0x1"}) {
    odd.rows[0][1] = text;
    const std::string html = cohort_page_html(odd, [](const auto&) { return std::filesystem::path(); });
    EXPECT_EQ(data_in(html)["columns"][1]["number"], false) << text;
    EXPECT_EQ(html.find("histogram: lung affected"), std::string::npos) << text;
  }
}

TEST(CohortPage, VoxelsAreLeftOutWhereTheirVolumeIsKnown) {
  CsvTable cases{
      .file = {}, .columns = {"case", "lung_voxels", "lung_ml"}, .rows = {{"a", "10", "1"}, {"b", "20", "2"}}};
  const auto none = [](const auto&) { return std::filesystem::path(); };
  EXPECT_EQ(data_in(cohort_page_html(cases, none))["rows"][1], (std::vector<std::string>{"b", "2"}));
  cases.rows[0][2].clear();
  EXPECT_EQ(data_in(cohort_page_html(cases, none))["rows"][1].size(), 3U);
}

TEST(CohortPage, NamesOfCasesDoNotRun) {
  const std::string html = cohort_page_html(table, [](const auto&) { return std::filesystem::path(); });
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  std::size_t ends = 0;
  for (std::size_t at = 0; (at = html.find("</script>", at)) != std::string::npos; ++at) ++ends;
  EXPECT_EQ(ends, 1U);
}

TEST(CohortPage, LinksToTheReportsThatAreThere) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "site b");
  write_file(folder / "cohort.csv", "case,percent_affected\na,1\nb,2\njavascript:x,3\nnone,4\n");
  write_file(folder / "a.html", "");
  write_file(folder / "site b" / "b.html", "");
  write_file(folder / "javascript:x.html", "");
  write_cohort_page(folder / "cohort.csv", {folder.path(), folder / "site b"});
  const auto links = data_in(read_file(folder / "cohort.html"))["links"];
  EXPECT_EQ(links[0], "./a.html");
  EXPECT_EQ(links[1], "./site%20b/b.html");
  EXPECT_EQ(links[2], "./javascript%3Ax.html");
  EXPECT_EQ(links[3], "");
}

TEST(CohortPage, LinksFromAnotherFolder) {
  const test::TemporaryFolder folder;
  for (const char* name : {"a", "b", "page"}) std::filesystem::create_directories(folder / name);
  write_file(folder / "page" / "all.csv", "case\none\ntwo\n");
  for (const char* report : {"a/one.html", "a/two.html", "b/two.html"}) write_file(folder / report, "");
  write_cohort_page(folder / "a/../page/all.csv", {folder / "a", folder / "b"});
  const auto links = data_in(read_file(folder / "page/all.html"))["links"];
  EXPECT_EQ(links[0], "./../a/one.html");
  EXPECT_EQ(links[1], "") << "of two cases of one name";
}

TEST(CohortPage, AnEmptyCohortHasAPage) {
  const CsvTable empty{.file = {}, .columns = cohort_columns(), .rows = {}};
  const std::string html = cohort_page_html(empty, [](const auto&) { return std::filesystem::path(); });
  EXPECT_TRUE(data_in(html)["rows"].empty());
}

}  // namespace
}  // namespace pulmoseg::report
