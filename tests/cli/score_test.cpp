// pulmoseg score as a user runs it.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "evaluation/example.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::ProgramResult;

const std::vector<float> truth{1, 1, 0, 0, /**/ 0, 0, 0, 2}, guess{1, 0, 1, 0, /**/ 0, 0, 0, 2};

class ScoreCommandTest : public testing::Test {
 protected:
  std::string mask(const std::string& name, const std::vector<float>& labels, double shift = 0) {
    fs::create_directories((folder_ / name).parent_path());
    test::write_mask(folder_ / name, {.size = {2, 2, 2}, .origin = {shift, 0, 0}}, labels);
    return (folder_ / name).string();
  }
  test::TemporaryFolder folder_;
};

TEST_F(ScoreCommandTest, ComparesTwoMasks) {
  const auto prediction = mask("Vorhersage ü.nii.gz", guess), reference = mask("r.nrrd", truth);
  const ProgramResult result = test::run_program({"score", prediction, reference, "--out", (folder_ / "out").string()});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_CONTAINS(result.output, "0.6667");  // pooled Dice 4 / 6
  EXPECT_EQ(result.output.find("warning"), std::string::npos) << result.output;
  const Json file = Json::parse(read_file(folder_ / "out" / "metrics.json"));
  EXPECT_DOUBLE_EQ(file["pooled"]["dice"], 2.0 / 3);
  EXPECT_TRUE(file["pooled"]["auc_roc"].is_null());
  EXPECT_TRUE(file["loss"].is_null());
  EXPECT_EQ(file["prediction"], "Vorhersage ü.nii.gz");
  EXPECT_EQ(file["reference"], "r.nrrd");
  EXPECT_EQ(read_csv(folder_ / "out" / "slices.csv").rows.size(), 2u);
  EXPECT_EQ(test::run_program({"score", prediction, reference, "--out", (folder_ / "out").string()}).exit_code, 1);
}

TEST_F(ScoreCommandTest, ADatasetIsNoFolderForResults) {
  const auto prediction = mask("p.nii.gz", guess), reference = mask("r.nii.gz", truth);
  for (const char* name : {"dataset.json", "slices.csv"}) write_file(folder_ / name, "{}");
  const ProgramResult result =
      test::run_program({"score", prediction, reference, "--out", folder_.path().string(), "--overwrite"});
  EXPECT_EQ(result.exit_code, 2) << result.messages;
  EXPECT_CONTAINS(result.messages, "is a prepared dataset");
  EXPECT_EQ(read_file(folder_ / "slices.csv"), "{}");
}

TEST_F(ScoreCommandTest, WarnsOfALabelThatNoMaskHas) {
  const auto prediction = mask("p.nii.gz", guess), reference = mask("r.nii.gz", truth);
  const auto warnings = [&](const char* option, const char* label) {
    const ProgramResult result = test::run_program({"score", prediction, reference, option, label});
    EXPECT_EQ(result.exit_code, 0) << result.messages;
    return result.messages;
  };
  EXPECT_CONTAINS(warnings("--prediction-label", "9"), "p.nii.gz: no voxel has the label 9");
  EXPECT_CONTAINS(warnings("--reference-label", "9"), "r.nii.gz: no voxel has the label 9");
  EXPECT_EQ(warnings("--label", "2"), "");
}

TEST_F(ScoreCommandTest, WithoutOutWritesNothing) {
  const auto prediction = mask("p/a.nii.gz", guess), reference = mask("r/a.nii.gz", truth);
  const ProgramResult result = test::run_program({"score", prediction, reference, "--json", "--label", "2"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(Json::parse(result.output)["pooled"]["dice"], 1.0);
  EXPECT_EQ(Json::parse(result.output)["prediction_label"], 2);
  EXPECT_EQ(Json::parse(result.output)["reference_label"], 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 2);
}

TEST_F(ScoreCommandTest, OneBadCaseDoesNotStopTheOthers) {
  mask("p/a.nii.gz", truth), mask("r/a.nii.gz", truth), mask("p/b.nii.gz", guess, 50), mask("r/b.nii.gz", truth);
  mask("r/c.nii.gz", truth);
  const ProgramResult result =
      test::run_program({"score", (folder_ / "p").string(), (folder_ / "r").string(), "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const Json printed = Json::parse(result.output);
  EXPECT_EQ(printed["cases"].size(), 1u);
  EXPECT_EQ(printed["pooled"]["dice"], 1.0);
  EXPECT_EQ(printed["left_out"].size(), 2u);
  EXPECT_CONTAINS(result.messages, "c: left out: has a reference but no prediction");
  EXPECT_CONTAINS(result.messages, "2 of its cases could not be scored");
}

TEST_F(ScoreCommandTest, RefusesAnotherGridInOneLine) {
  const ProgramResult result = test::run_program({"score", mask("p.nii.gz", guess, 50), mask("r.nii.gz", truth)});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1) << result.messages;
  EXPECT_CONTAINS(result.messages, "origin (50, 0, 0)");
}

}  // namespace
}  // namespace pulmoseg
