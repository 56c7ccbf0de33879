// The command: pulmoseg prepare.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "prepare/volumes.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/dataset.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using test::run_program;

const std::string golden = test::repository_file("tests/data/prepare").string();

TEST(PrepareProgram, PreparesAFolder) {
  const test::TemporaryFolder folder;
  const std::string set = (folder / "ein Satz ü").string();
  const auto result = run_program({"prepare", golden, set, "--size", "16"});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_NE(result.messages.find("cases.csv: is missing"), std::string::npos) << result.messages;
  EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1) << result.messages;
  EXPECT_EQ(result.output.substr(0, result.output.find("  lesion")),
            set + ": 40 slices of 16x16\n  8 cases, 8 patients\n");
  EXPECT_NE(result.output.find("  lung masks for 40 slices\n"), std::string::npos) << result.output;
  EXPECT_EQ(dataset::Dataset::open(set).size(), 40);

  EXPECT_EQ(run_program({"prepare", golden, set}).exit_code, 1);
  const auto json =
      nlohmann::json::parse(run_program({"prepare", golden, set, "--size", "32", "--overwrite", "--json"}).output);
  EXPECT_EQ(json["schema"], "pulmoseg.prepare/1");
  EXPECT_EQ(json["slices"], 40);
  EXPECT_EQ(json["size"], 32);
  EXPECT_EQ(json["patients"], 8);
  EXPECT_EQ(json["slices_with_lung_mask"], 40);
}

TEST(PrepareProgram, PreparesNamedFiles) {
  const test::TemporaryFolder folder;
  const std::string set = (folder / "set").string();
  const auto file = [](const char* kind, const char* name) { return golden + "/" + kind + "/" + name; };
  const auto result =
      run_program({"prepare", "--image", file("rp_im", "1.nii.gz"), "--lesion-mask", file("rp_msk", "1.nii.gz"),
                   "--image", file("rp_im", "2.nii.gz"), "--lesion-mask", file("rp_msk", "2.nii.gz"), set});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(dataset::Dataset::open(set).info().cases.size(), 2U);
}

TEST(PrepareProgram, PreparesATableOfCases) {
  const test::TemporaryFolder folder;
  write_file(folder / "cases.csv", "case,patient,image,lesion_mask,lung_mask\nx,ann," + golden + "/rp_im/1.nii.gz," +
                                       golden + "/rp_msk/1.nii.gz,\ny,ann," + golden + "/rp_im/2.nii.gz," + golden +
                                       "/rp_msk/2.nii.gz,\n");
  const auto result = run_program(
      {"prepare", "--cases", (folder / "cases.csv").string(), (folder / "set").string(), "--unrelated-slices"});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_NE(result.output.find("unrelated slices; their patients are not known"), std::string::npos) << result.output;
}

TEST(PrepareProgram, FailsInOneLine) {
  const test::TemporaryFolder folder;
  test::write_nifti(folder / "rp_im/1.nii", test::counting({4, 4}));
  test::write_nifti(folder / "rp_msk/1.nii", test::filled({4, 4}, 1));
  const auto result = run_program({"prepare", folder.path().string(), (folder / "set").string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.messages,
            "pulmoseg: " + (folder / "rp_im/1.nii").string() +
                ": is 2-D where 3-D is needed; give the volume, or --unrelated-slices for single slices\n");
  EXPECT_FALSE(fs::exists(folder / "set"));
}

TEST(PrepareProgram, KnowsWrongUsage) {
  const test::TemporaryFolder folder;
  const std::string set = (folder / "set").string();
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"prepare"},
                                                    {"prepare", set},
                                                    {"prepare", golden, set, "--size", "many"},
                                                    {"prepare", golden, set, "--size", "2"},
                                                    {"prepare", golden, set, "--cases", "t.csv"},
                                                    {"prepare", "--image", "a.nii", set},
                                                    {"prepare", golden, set, "third"}}) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments) << result.messages;
    EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1) << result.messages;
  }
  EXPECT_FALSE(fs::exists(set));
}

}  // namespace
}  // namespace pulmoseg
