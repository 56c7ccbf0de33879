// pulmoseg inspect as a user runs it, on each kind of file that it knows.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "inference/tiny_network.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/npy.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "support/nifti.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json inspect(const fs::path& file) {
  const auto result = test::run_program({"inspect", file.string(), "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  if (result.exit_code != 0) return {};
  const Json json = Json::parse(result.output);
  EXPECT_EQ(json["schema"], "pulmoseg.inspect/1");
  return json["files"][0];
}

bool warns(const Json& file, std::string_view code) {
  return std::any_of(file["warnings"].begin(), file["warnings"].end(),
                     [&](const Json& warning) { return warning["code"] == code; });
}

TEST(InspectProgram, AScan) {
  const Json scan = inspect(test::repository_file("data/medseg/tr_im.nii.gz"));
  EXPECT_EQ(scan["kind"], "CT volume");
  EXPECT_EQ(scan["format"], "NIfTI-1");
  EXPECT_EQ(scan["geometry"]["size"], Json({512, 512, 36}));
  EXPECT_EQ(scan["header"]["sform_code"], 2);
  EXPECT_EQ(scan["intensities"]["median"], 181.0);
  EXPECT_EQ(scan["intensities"]["hounsfield"], false);
  EXPECT_TRUE(warns(scan, "not_hounsfield"));
}

TEST(InspectProgram, AScanInWords) {
  const auto result = test::run_program({"inspect", test::repository_file("data/medseg/tr_im.nii.gz").string()});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_CONTAINS(result.output, "within 0 to 255: a picture, not Hounsfield units");
  EXPECT_CONTAINS(result.output, "warning spacing_is_default:");
}

TEST(InspectProgram, AScanWithoutGeometry) {
  const test::TemporaryFolder folder;
  test::write_nifti(folder / "scan.nii", {.with_geometry = false, .voxels = {}});
  const Json geometry = inspect(folder / "scan.nii")["geometry"];
  EXPECT_EQ(geometry["position_declared"], false);
  EXPECT_TRUE(geometry["spacing_mm"].is_null()) << geometry;
  EXPECT_TRUE(geometry["extent_mm"].is_null()) << geometry;
}

TEST(InspectProgram, AMask) { EXPECT_EQ(inspect(test::repository_file("data/medseg/tr_mask.nii.gz"))["kind"], "mask"); }

TEST(InspectProgram, AnArray) {
  const test::TemporaryFolder folder;
  dataset::NpyWriter writer(folder / "images.npy", dataset::NpyType::float32, {2, 2});
  writer.write_row(0, std::vector<float>{0.5F, 1, 0, 0.25F});
  writer.commit(1);
  const Json array = inspect(folder / "images.npy");
  EXPECT_EQ(array["kind"], "NumPy array");
  EXPECT_EQ(array["shape"], Json({1, 2, 2}));
  EXPECT_EQ(array["maximum"], 1.0);
}

TEST(InspectProgram, AnArrayThatIsNotFinite) {
  const test::TemporaryFolder folder;
  dataset::NpyWriter writer(folder / "images.npy", dataset::NpyType::float32, {2, 2});
  writer.write_row(0, std::vector<float>{NAN, 1, INFINITY, 0.25F});
  writer.commit(1);
  const Json array = inspect(folder / "images.npy");
  EXPECT_EQ(array["minimum"], 0.25);
  EXPECT_EQ(array["maximum"], 1.0);
  EXPECT_TRUE(warns(array, "not_finite"));
}

TEST(InspectProgram, AnOnnxModelAndARun) {
  const test::TemporaryFolder folder;
  onnx::write(test::threshold_network(50, 0.5, 32), folder / "model.onnx");
  const Json model = inspect(folder / "model.onnx");
  EXPECT_EQ(model["kind"], "ONNX model");
  EXPECT_CONTAINS(model["inputs"]["image"].get<std::string>(), "float32");
  EXPECT_TRUE(model["metadata"].contains("pulmoseg.classes"));
  EXPECT_FALSE(warns(model, "no_metadata"));

  write_file(folder / "config.json", R"({"schema": "pulmoseg.run/1", "recipe": "original"})");
  write_file(folder / "history.csv",
             "epoch,size,training_loss,validation_loss\n1,8,0.5,0.1\n2,16,0.3,0.2\n3,16,0.2,0.25\n");
  const Json run = inspect(folder.path());
  EXPECT_EQ(run["kind"], "training run");
  EXPECT_EQ(run["history"]["epochs_done"], 3);
  EXPECT_EQ(run["history"]["best_epoch"], 2);
  EXPECT_EQ(run["model"], [&] {
    Json facts = model;
    facts.erase("file");
    facts.erase("kind");
    facts.erase("warnings");
    return facts;
  }());
}

TEST(InspectProgram, ADicomSeriesWithoutThePatient) {
  const test::TemporaryFolder folder;
  test::write_ct_series(folder / "series", 3);
  const Json series = inspect(folder / "series");
  EXPECT_EQ(series["format"], "DICOM series");
  EXPECT_EQ(series["header"]["Modality"], "CT");
  EXPECT_EQ(series.dump().find("Doe"), std::string::npos) << series;
  EXPECT_EQ(series.dump().find("19500101"), std::string::npos) << series;
}

TEST(InspectProgram, SeveralDicomSeries) {
  const test::TemporaryFolder folder;
  test::write_ct_series(folder.path(), 4);
  for (int n = 0; n < 3; ++n) {
    auto slice = test::ct_slice(n);
    slice.put(0x0020000e, "UI", "2.25.80").put(0x00200011, "IS", "4").put(0x0008103e, "LO", "Soft 2.5");
    test::write_bytes(folder / ("soft" + std::to_string(n)), slice.bytes());
  }
  const Json all = inspect(folder.path());
  EXPECT_EQ(all["kind"], "DICOM files");
  ASSERT_EQ(all["series"].size(), 2U);
  EXPECT_EQ(all["series"][0]["number"], 3);
  EXPECT_EQ(all["series"][1]["description"], "Soft 2.5");
  EXPECT_EQ(all["series"][1]["uid"], "2.25.80");
  EXPECT_EQ(all["series"][1]["slices"], 3);
  EXPECT_EQ(all["series"][1]["why_not"], nullptr);

  const auto chosen = test::run_program({"inspect", folder.path().string(), "--json", "--series", "soft"});
  EXPECT_EQ(chosen.exit_code, 0) << chosen.messages;
  EXPECT_EQ(Json::parse(chosen.output)["files"][0]["geometry"]["size"], Json({4, 3, 3}));
  const auto none = test::run_program({"inspect", folder.path().string(), "--series", "9"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_CONTAINS(none.messages, "--series 9 stands for none of its series");
  const auto words = test::run_program({"inspect", folder.path().string()});
  EXPECT_CONTAINS(words.output, "Soft 2.5");
}

TEST(InspectProgram, ARealDicomSeries) {
  PULMOSEG_REQUIRE_DATA("dicom/chest-64");
  const Json series = inspect(test::development_data("dicom/chest-64"));
  EXPECT_EQ(series["format"], "DICOM series");
  EXPECT_EQ(series["header"]["Modality"], "CT");
  EXPECT_FALSE(series["header"].contains("PatientName"));
}

TEST(InspectProgram, ADataset) {
  const test::TemporaryFolder folder;
  const auto data = test::repository_file("data/medseg");
  const auto prepared =
      test::run_program({"prepare", "--unrelated-slices", "--size", "32", "--image", (data / "tr_im.nii.gz").string(),
                         "--lesion-mask", (data / "tr_mask.nii.gz").string(), (folder / "dataset").string()});
  ASSERT_EQ(prepared.exit_code, 0) << prepared.messages;
  const Json found = inspect(folder / "dataset");
  EXPECT_EQ(found["kind"], "dataset");
  EXPECT_EQ(found["slices"], 36);
  EXPECT_EQ(found["size"], Json({32, 32}));
  EXPECT_TRUE(found["patients"].is_null());
  EXPECT_TRUE(warns(found, "patients_unknown"));
  EXPECT_FALSE(warns(found, "not_finite"));
  const auto in_words = test::run_program({"inspect", (folder / "dataset").string()});
  EXPECT_CONTAINS(in_words.output, "\n  slices                  36\n");
  EXPECT_CONTAINS(in_words.output, "\n  lesion percent of pixels  ");

  dataset::NpyWriter images(folder / "dataset" / "images.npy", dataset::NpyType::float32, {32, 32});
  for (std::int64_t row = 0; row < 36; ++row) images.write_row(row, std::vector<float>(32 * 32, row > 1 ? 0.5F : NAN));
  images.commit(36);
  const Json damaged = inspect(folder / "dataset");
  EXPECT_TRUE(warns(damaged, "not_finite"));
  EXPECT_CONTAINS(damaged.dump(), "34 of 36 slices hold one value only");
}

TEST(InspectProgram, WeightsOrWhyTheyCannotBeRead) {
  const auto result =
      test::run_program({"inspect", test::repository_file("tests/data/model/ordered_dict.pth").string(), "--json"});
  if (result.exit_code != 0) {  // a build without LibTorch
    EXPECT_CONTAINS(result.messages, "ordered_dict.pth: this pulmoseg was built without LibTorch");
    return;
  }
  const Json weights = Json::parse(result.output)["files"][0];
  EXPECT_EQ(weights["kind"], "weights");
  EXPECT_EQ(weights["tensors"], 2);
  EXPECT_EQ(weights["parameters"], 8);
  EXPECT_EQ(weights["types"], (Json{{"float32", 2}}));
  EXPECT_TRUE(warns(weights, "not_deeplabv3"));
}

TEST(InspectProgram, ADamagedRunIsNamed) {
  const test::TemporaryFolder folder;
  write_file(folder / "config.json", R"({"schema": "pulmoseg.run/1", "rec)");
  const auto result = test::run_program({"inspect", folder.path().string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "config.json: is damaged: ");
  EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1) << result.messages;
}

TEST(InspectProgram, AnotherToolsFolderIsNoRun) {
  const test::TemporaryFolder folder;
  write_file(folder / "config.json", R"({"architectures": ["SomeNetwork"]})");
  const auto result = test::run_program({"inspect", folder.path().string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "");
}

TEST(InspectProgram, AFullDiskBelowStdoutIsAnError) {
  const test::TemporaryFolder folder;
  std::ostringstream command;
  command << test::program() << " inspect " << test::repository_file("data/medseg/tr_mask.nii.gz") << " > /dev/full 2> "
          << folder / "messages";  // a path is written in quotes
  const int status = std::system(command.str().c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_CONTAINS(read_file(folder / "messages"), "stdout cannot be written: ");
}

TEST(InspectProgram, OneBadFileAmongGoodOnes) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "bad.nii.gz", "no image");
  const auto result = test::run_program({"inspect", (folder / "bad.nii.gz").string(),
                                         test::repository_file("data/medseg/tr_mask.nii.gz").string(), "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const Json json = Json::parse(result.output);
  EXPECT_EQ(json["files"].size(), 1U);
  EXPECT_CONTAINS(json["failed"][0]["error"].get<std::string>(), "bad.nii.gz");
  EXPECT_EQ(test::run_program({"inspect", (folder / "missing.onnx").string()}).exit_code, 1);
  EXPECT_EQ(test::run_program({"inspect"}).exit_code, 2);
}

}  // namespace
}  // namespace pulmoseg
