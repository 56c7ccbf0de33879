// pulmoseg compare as a user runs it, on what quantify wrote.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class CompareProgram : public testing::Test {
 protected:
  CompareProgram() {
    const auto data = [](const std::string& name) {
      return test::repository_file("tests/data/quantify/" + name + ".nii.gz").string();
    };
    for (const auto& [folder, scan] : {std::pair{early_, "plain"}, std::pair{late_, "anisotropic"}}) {
      const std::string name = scan;
      const auto result = test::run_program({"quantify", data(name + "_image"), "--lesion-mask", data(name + "_lesion"),
                                             "--lung-mask", data(name + "_lung"), "--out", folder.string()});
      EXPECT_EQ(result.exit_code, 0) << result.messages;
      EXPECT_CONTAINS(result.output, "by side           left ");
      EXPECT_CONTAINS(result.output, "severity          CT-");
      EXPECT_CONTAINS(result.output, "lung density      -");
    }
  }
  test::TemporaryFolder folder_;
  fs::path early_ = folder_ / "early", late_ = folder_ / "late", out_ = folder_ / "out";
};

TEST_F(CompareProgram, PrintsATableAndWritesIt) {
  const auto result = test::run_program({"compare", early_.string(), late_.string(), "--out", out_.string()});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_CONTAINS(result.output, "Both lungs\n  affected");
  EXPECT_CONTAINS(result.output, "0 points");
  EXPECT_CONTAINS(result.output, "note: the voxels differ in size");
  const Json json = Json::parse(read_file(out_ / "comparison.json"));
  EXPECT_EQ(json["schema"], "pulmoseg.comparison/1");
  EXPECT_EQ(json["earlier"]["file"], "plain_image.json");
  EXPECT_EQ(read_csv(out_ / "comparison.csv").rows.size(), json["figures"].size());
  EXPECT_CONTAINS(read_file(out_ / "comparison.html"), "plain_image");

  EXPECT_EQ(test::run_program({"compare", early_.string(), late_.string(), "--out", out_.string()}).exit_code, 1);
  EXPECT_EQ(
      test::run_program({"compare", early_.string(), late_.string(), "--out", out_.string(), "--overwrite"}).exit_code,
      0);
}

TEST_F(CompareProgram, JsonOnStdoutIsTheFile) {
  const auto result = test::run_program({"compare", early_.string(), late_.string(), "--out", out_.string(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(Json::parse(result.output), Json::parse(read_file(out_ / "comparison.json")));
}

TEST_F(CompareProgram, LeavesTheFoldersOfResultsAlone) {
  const auto result = test::run_program({"compare", early_.string(), late_.string(), "--out", late_.string()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_FALSE(fs::exists(late_ / "comparison.json"));
  EXPECT_EQ(test::run_program({"compare", early_.string(), (folder_ / "nowhere").string()}).exit_code, 1);
  EXPECT_EQ(test::run_program({"compare", early_.string()}).exit_code, 2);
}

TEST_F(CompareProgram, CohortTabulatesTheSameCases) {
  ASSERT_EQ(
      test::run_program({"cohort", early_.string(), late_.string(), "--out", (folder_ / "all.csv").string()}).exit_code,
      0);
  const CsvTable table = read_csv(folder_ / "all.csv");
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_NE(table.rows[0][table.column("mean_hu")], "");
  EXPECT_EQ(table.rows[0][table.column("left_percent_affected")], table.rows[1][table.column("left_percent_affected")]);
}

}  // namespace
}  // namespace pulmoseg
