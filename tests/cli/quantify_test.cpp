// pulmoseg quantify as a user runs it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/nifti.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// 4 x 4 x 3 voxels of 0.5 x 2 x 3 mm. Lesion: x = 0 (12 voxels); lung: x < 2 (24 voxels).
class QuantifyProgram : public testing::Test {
 protected:
  QuantifyProgram() {
    std::vector<float> pixels(48), lesions(48), lungs(48);
    for (std::size_t i = 0; i < 48; ++i) {
      pixels[i] = static_cast<float>(i);
      lesions[i] = i % 4 == 0 ? 3 : 0;
      lungs[i] = i % 4 < 2;
    }
    test::write_nifti(image_, {.spacing = {0.5, 2, 3}, .voxels = pixels});
    test::write_nifti(lesion_, {.spacing = {0.5, 2, 3}, .voxels = lesions});
    test::write_nifti(lung_, {.spacing = {0.5, 2, 3}, .voxels = lungs});
  }

  test::ProgramResult quantify(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"quantify", image_.string(), "--lesion-mask", lesion_.string()});
    return test::run_program(arguments);
  }

  test::TemporaryFolder folder_;
  fs::path image_ = folder_ / "scan ü.nii", lesion_ = folder_ / "lesion.nii", lung_ = folder_ / "lung.nii",
           out_ = folder_ / "out";
};

TEST_F(QuantifyProgram, PrintsTheFigures) {
  const auto result = quantify({"--lung-mask", lung_.string()});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_CONTAINS(result.output, "0.0 ml (12 voxels) in 3 of 3 slices");
  EXPECT_CONTAINS(result.output, "percent affected  50.00 %");
}

TEST_F(QuantifyProgram, WritesJsonAndPictureAndDoesNotReplaceThemUnasked) {
  ASSERT_EQ(quantify({"--lung-mask", lung_.string(), "--out", out_.string()}).exit_code, 0);
  const Json json = Json::parse(read_file(out_ / "scan ü.json"));
  EXPECT_EQ(json["schema"], "pulmoseg.measurements/1");
  EXPECT_EQ(json["percent_affected"], 50.0);
  EXPECT_NEAR(json["lesion"]["volume_ml"].get<double>(), 12 * 0.003, 1e-6);
  EXPECT_TRUE(json["model"].is_null());
  EXPECT_GT(fs::file_size(out_ / "scan ü.png"), 1000U);
  EXPECT_CONTAINS(read_file(out_ / "scan ü.html"), "Lung affected");

  const auto again = quantify({"--out", out_.string()});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_CONTAINS(again.messages, "is there already");
  EXPECT_EQ(quantify({"--out", out_.string(), "--overwrite"}).exit_code, 0);
  EXPECT_TRUE(Json::parse(read_file(out_ / "scan ü.json"))["percent_affected"].is_null());
}

TEST_F(QuantifyProgram, JsonOnStdoutIsTheFile) {
  const auto result = quantify({"--out", out_.string(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(Json::parse(result.output), Json::parse(read_file(out_ / "scan ü.json")));
}

TEST_F(QuantifyProgram, AMaskOfAnotherGridIsRefusedInOneLine) {
  test::write_nifti(lung_, {.size = {5, 4, 3}, .with_geometry = false, .voxels = {}});
  const auto result = quantify({"--lung-mask", lung_.string(), "--out", out_.string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "lung.nii");
  EXPECT_EQ(std::count(result.messages.begin(), result.messages.end(), '\n'), 1) << result.messages;
  EXPECT_FALSE(fs::exists(out_ / "scan ü.json"));
}

TEST_F(QuantifyProgram, WithoutALesionMaskTheUsageIsWrong) {
  EXPECT_EQ(test::run_program({"quantify", image_.string()}).exit_code, 2);
}

}  // namespace
}  // namespace pulmoseg
