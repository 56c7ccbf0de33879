// The model that ships with the program is the one that its card describes, and does on the shipped slices what it says there.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/medseg.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/sha256.hpp"
#include "pulmoseg/inference/engine.hpp"

namespace pulmoseg {
namespace {

using Json = nlohmann::json;

std::filesystem::path model() { return test::repository_file("models/lung-lesion.onnx"); }
Json facts() { return Json::parse(read_file(test::repository_file("models/lung-lesion.json"))); }
std::string card() { return read_file(test::repository_file("models/README.md")); }

TEST(ShippedModel, IsTheFileThatItsFactsAndItsCardName) {
  EXPECT_EQ(sha256_of_file(model()), facts()["sha256"]);
  EXPECT_NE(card().find(facts()["sha256"].get<std::string>()), std::string::npos);
  EXPECT_LT(std::filesystem::file_size(model()), 45'000'000);
}

TEST(ShippedModel, SaysWhatItsFactsSay) {
  const inference::Engine engine(model());
  EXPECT_EQ(engine.classes().names(), facts()["classes"]);
  EXPECT_TRUE(engine.classes().has_lung());
  for (const char* key : {"licence", "recipe", "split"})
    EXPECT_EQ(engine.metadata().at(std::string("pulmoseg.") + key), facts()[key]) << key;
  EXPECT_NE(card().find(facts()["licence"].get<std::string>()), std::string::npos);
}

TEST(ShippedModel, CardHasEveryFigure) {
  const Json figures = facts()["figures"];
  ASSERT_GE(figures.size(), 8U);
  for (const auto& entry : figures) {
    const std::string row = fmt::format("| {} | {} | {:.4g} |", entry["data"].get<std::string>(),
                                        entry["figure"].get<std::string>(), entry["value"].get<double>());
    EXPECT_NE(card().find(row), std::string::npos) << row;
  }
}

/// Of the facts, for data that begins so.
double figure(const std::string& data, const std::string& name) {
  const Json figures = facts()["figures"];
  for (const auto& entry : figures) {
    if (entry["data"].get<std::string>().starts_with(data) && entry["figure"] == name) return entry["value"];
  }
  throw std::runtime_error("no figure " + name + " of " + data);
}

TEST(ShippedModel, HasItsFiguresOnTheShippedSlices) {
  const test::TemporaryFolder folder;
  const std::string dataset = (folder / "dataset").string();
  test::prepare_medseg(dataset, 256);
  const auto evaluated = test::run_program(
      {"evaluate", model().string(), dataset, "--part", "all", "--out", (folder / "out").string(), "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.messages;
  const Json metrics = Json::parse(evaluated.output);
  // Another processor adds in another order.
  EXPECT_NEAR(metrics["pooled"]["dice"], figure("MedSeg", "pooled lesion Dice"), 0.002);
  EXPECT_NEAR(metrics["per_slice_mean"]["dice"], figure("MedSeg", "mean slice lesion Dice"), 0.005);
}

std::filesystem::path mask_in(const std::filesystem::path& folder, const std::string& what) {
  return folder / ("tr_im_" + what + ".nii.gz");
}

/// Lesion and lung of the shipped slices, in 8 bits.
void segment_in_8_bits(const std::filesystem::path& out) {
  const auto segmented = test::run_program(
      {"segment", test::medseg_scan(), "--model", model().string(), "--precision", "int8", "--out", out.string()});
  ASSERT_EQ(segmented.exit_code, 0) << segmented.messages;
}

void expect_alike(const std::filesystem::path& mask, const std::filesystem::path& reference, double smallest_dice) {
  const auto scored = test::run_program({"score", mask.string(), reference.string(), "--json"});
  ASSERT_EQ(scored.exit_code, 0) << scored.messages;
  const Json pooled = Json::parse(scored.output)["pooled"];
  EXPECT_GE(pooled["dice"], smallest_dice) << mask;
  EXPECT_NEAR(pooled["precision"], pooled["recall"], 1 - smallest_dice) << mask << ": areas differ";
}

/// Processors without VNNI add products of 8 bits in pairs, in 16 bits, where a quantiser that does not mind them saturates.
/// tests/data/segment has the masks that a Zen 4 (AVX-512, VNNI) made.
TEST(ShippedModel, MakesTheSameMasksIn8BitsByAvx2KernelsAsByTheProcessorsOwn) {
  const test::TemporaryFolder folder;
  segment_in_8_bits(folder / "own");
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);  // what OpenVINO's kernels go by
  segment_in_8_bits(folder / "avx2");
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
  for (const std::string what : {"lesion", "lung"}) {
    expect_alike(mask_in(folder / "avx2", what), mask_in(folder / "own", what), 0.999);
    const auto golden = test::repository_file("tests/data/segment/medseg_int8_" + what + ".nii.gz");
    expect_alike(mask_in(folder / "own", what), golden, 0.99);
  }
}

TEST(ShippedModel, IsTakenWhenNoneIsNamed) {
  const test::TemporaryFolder folder;
  const auto segmented =
      test::run_program({"segment", test::medseg_scan(), "--out", (folder / "out").string(), "--json"});
  ASSERT_EQ(segmented.exit_code, 0) << segmented.messages;
  const Json measurements = Json::parse(segmented.output)["cases"][0]["measurements"];
  EXPECT_EQ(measurements["model"]["sha256"], facts()["sha256"]);
  EXPECT_GT(measurements["lesion"]["voxels"], 0);
  EXPECT_GT(measurements["lung"]["voxels"], measurements["lesion"]["voxels"]);
}

}  // namespace
}  // namespace pulmoseg
