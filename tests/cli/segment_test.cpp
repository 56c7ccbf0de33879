// pulmoseg segment as a user runs it, with a network whose answer is known: lesion is what is brighter than half of its slice.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "inference/tiny_network.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/volume/scan_name.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "support/nifti.hpp"
#include "support/zip.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::ProgramResult;
using volume::Geometry;
using volume::Volume;

constexpr std::int64_t columns = 40, rows = 32, slices = 5;

Geometry oblique_grid() {
  const double c = std::cos(0.2), s = std::sin(0.2);
  return {.size = {columns, rows, slices},
          .spacing = {0.7, 0.8, 5},
          .origin = {-100, -90, 12},
          .direction = {{{c, s, 0}, {-s, c, 0}, {0, 0, 1}}}};
}

/// Bright in a rectangle that moves with the slice, so that no flip goes unseen.
bool is_bright(std::int64_t i, std::int64_t j, std::int64_t k) {
  return i >= 8 + 2 * k && i < 20 + 2 * k && j >= 6 && j < 22 - 2 * k;
}

Volume phantom(const Geometry& grid) {
  Volume volume{.geometry = grid, .voxels = {}};
  for (std::int64_t k = 0; k < grid.size[2]; ++k) {
    for (std::int64_t j = 0; j < grid.size[1]; ++j) {
      for (std::int64_t i = 0; i < grid.size[0]; ++i) volume.voxels.push_back(is_bright(i, j, k) ? 100.0F : -900.0F);
    }
  }
  return volume;
}

/// Stored axis a of the file is canonical axis stored[a], reversed where flipped[a].
void write_volume(const fs::path& file, const Volume& volume, const volume::AxisOrder& stored = {},
                  volume::VoxelType type = volume::VoxelType::int16) {
  volume::SourceInfo like;
  like.format = "NRRD";
  like.stored_geometry = volume::reorder(volume.geometry, stored);
  like.order = volume::canonical_order(like.stored_geometry);
  volume::VolumeWriter writer(file, like, type);
  for (std::int64_t k = 0; k < volume.geometry.size[2]; ++k) writer.write(k, volume.slice(k));
  writer.commit();
}

/// A NIfTI-1 file of one slice, dim[0] = 2, by the letter of nifti1.h.
void write_2d_nifti(const fs::path& file, const std::vector<float>& pixels) {
  std::string bytes(352, '\0');
  const auto put = [&](std::size_t offset, auto value) { std::memcpy(bytes.data() + offset, &value, sizeof(value)); };
  put(0, std::int32_t{348});
  put(40, std::int16_t{2});
  put(42, static_cast<std::int16_t>(columns));
  put(44, static_cast<std::int16_t>(rows));
  for (std::size_t axis = 3; axis < 8; ++axis) put(40 + 2 * axis, std::int16_t{1});
  put(70, std::int16_t{16});  // float32
  put(72, std::int16_t{32});
  for (std::size_t axis = 0; axis < 4; ++axis) put(76 + 4 * axis, 1.0F);
  put(108, 352.0F);
  put(112, 1.0F);
  std::memcpy(bytes.data() + 344, "n+1", 4);
  bytes.append(reinterpret_cast<const char*>(pixels.data()), pixels.size() * sizeof(float));
  write_file(file, bytes);
}

class SegmentProgram : public testing::Test {
 protected:
  SegmentProgram() { onnx::write(test::threshold_network(50, 0.5, 32), model_); }

  ProgramResult segment(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "segment");
    arguments.insert(arguments.end(), {"--model", model_.string(), "--out", out_.string()});
    return test::run_program(arguments);
  }

  /// Fails the test when the mask is not the phantom's bright part, on the grid of `image`, up to the pixels at its edge
  /// that resizing may move by one.
  void expect_phantom_mask(const fs::path& mask_file, const fs::path& image) {
    const Volume mask = volume::read_volume(mask_file);
    ASSERT_TRUE(volume::same_grid(mask.geometry, volume::VolumeReader::open(image).geometry()))
        << volume::describe(mask.geometry);
    std::int64_t wrong = 0, bright = 0;
    for (std::int64_t k = 0; k < mask.geometry.size[2]; ++k) {
      for (std::int64_t p = 0; p < columns * rows; ++p) {
        const bool expected = is_bright(p % columns, p / columns, k);
        bright += expected;
        wrong += expected != (mask.slice(k)[static_cast<std::size_t>(p)] == 1);
      }
    }
    EXPECT_LT(wrong, bright / 10);
  }

  std::vector<std::string> results() const {
    std::vector<std::string> names;
    if (fs::exists(out_)) {
      for (const auto& entry : fs::directory_iterator(out_)) names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  test::TemporaryFolder folder_;
  fs::path model_ = folder_ / "model.onnx", out_ = folder_ / "out";
};

TEST_F(SegmentProgram, DicomObjectsOfADicomSeries) {
  fs::create_directories(folder_ / "ct");
  test::write_ct_series(folder_ / "ct", 5);
  test::write_bytes(folder_ / "ct/scout.dcm", test::ct_slice(0)
                                                  .put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER")
                                                  .put(0x0020000e, "UI", "2.25.3")
                                                  .put(0x00080018, "UI", "2.25.99")
                                                  .put(0x0008103e, "LO", "Scout of Doe^Jane")
                                                  .bytes());
  const std::string ct = (folder_ / "ct").string();
  const auto result = segment({ct, "--format", "dicom-seg", "--probabilities", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const auto with_objects = std::vector<std::string>{"cohort.csv", "cohort.html", "ct.html",
                                                     "ct.json",    "ct.png",      "ct_lesion_probability_seg.dcm",
                                                     "ct_seg.dcm", "ct_sr.dcm"};
  EXPECT_EQ(results(), with_objects);
  const auto files = nlohmann::json::parse(result.output)["cases"][0]["files"];
  EXPECT_EQ(files["structured_report"], (out_ / "ct_sr.dcm").string());
  EXPECT_NE(read_file(out_ / "ct_seg.dcm").find("Doe^Jane"), std::string::npos);
  EXPECT_CONTAINS(read_file(out_ / "ct.json"), "Scout of Doe^Jane");

  EXPECT_EQ(segment({ct, "--format", "dicom-seg"}).exit_code, 1) << "they are there already";
  const std::vector<std::string> anonymous{ct, "--format", "dicom-seg", "--deidentify", "--new-uids", "--overwrite"};
  ASSERT_EQ(segment(anonymous).exit_code, 0);
  EXPECT_TRUE(fs::exists(out_ / "ct_source/00005.dcm"));
  EXPECT_TRUE(fs::exists(out_ / "uids.key"));
  for (const char* name : {"ct_seg.dcm", "ct_sr.dcm", "ct.json", "ct.html", "ct_source/00001.dcm"}) {
    const std::string bytes = read_file(out_ / name);
    for (const char* secret : {"Doe^Jane", "19500101", "2024-02-29", "20240229", "Lung 2.5"})
      EXPECT_EQ(bytes.find(secret), std::string::npos) << name << ": " << secret;
  }
  EXPECT_CONTAINS(read_file(out_ / "ct.json"), "series left out: no more is said");
  ASSERT_EQ(segment({(folder_ / "ct" / test::ct_slice_name(0)).string(),
                     (folder_ / "ct" / test::ct_slice_name(1)).string(), "--format", "dicom-seg", "--overwrite"})
                .exit_code,
            0)
      << "files of one series";
  const auto resumed = segment({ct, "--format", "dicom-seg", "--new-uids", "--resume"});
  EXPECT_CONTAINS(resumed.messages, "1 case is done already");
}

TEST_F(SegmentProgram, NoPictureOfBurnedInAnnotation) {
  fs::create_directories(folder_ / "ct");
  test::write_ct_series(folder_ / "ct", 2);
  test::write_bytes(folder_ / "ct" / test::ct_slice_name(1), test::ct_slice(1).put(0x00280301, "CS", "YES").bytes());
  const auto refused = segment({(folder_ / "ct").string(), "--format", "dicom-seg", "--deidentify"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_CONTAINS(refused.messages, "burned into its pixels");
  for (const char* name : {"ct_seg.dcm", "ct.png", "ct.html", "ct.json"}) EXPECT_FALSE(fs::exists(out_ / name)) << name;
}

TEST_F(SegmentProgram, FormatsThatDoNotFit) {
  const auto image = folder_ / "scan.nii";
  write_volume(folder_ / "scan.nrrd", phantom(oblique_grid()));
  write_2d_nifti(image, std::vector<float>(static_cast<std::size_t>(columns * rows)));
  const auto refused = segment({image.string(), "--format", "dicom-seg"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_CONTAINS(refused.messages, "scan.nii: is no DICOM series, on which --format dicom-seg lies");
  EXPECT_EQ(segment({image.string(), "--deidentify"}).exit_code, 2);
  EXPECT_EQ(segment({folder_.path().string(), "--format", "dicom-seg", "--uncertainty"}).exit_code, 2);
  const auto layers = segment({(folder_ / "scan.nrrd").string(), "--format", "seg.nrrd"});
  ASSERT_EQ(layers.exit_code, 0) << layers.messages;
  EXPECT_CONTAINS(read_file(out_ / "scan.seg.nrrd").substr(0, 1000), "Segment0_Name:=Lesion");
}

TEST_F(SegmentProgram, WritesMaskMeasurementsPictureAndCohort) {
  const auto image = folder_ / "scan.nii.gz";
  write_volume(image, phantom(oblique_grid()));
  const auto result = segment({image.string(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(results(), (std::vector<std::string>{"cohort.csv", "cohort.html", "scan.html", "scan.json", "scan.png",
                                                 "scan_lesion.nii.gz"}));
  expect_phantom_mask(out_ / "scan_lesion.nii.gz", image);

  const Json measurements = Json::parse(read_file(out_ / "scan.json"));
  const Volume mask = volume::read_volume(out_ / "scan_lesion.nii.gz");
  const auto voxels = std::ranges::count(mask.voxels, 1.0F);
  EXPECT_EQ(std::ranges::count(mask.voxels, 0.0F) + voxels, std::ssize(mask.voxels));
  EXPECT_EQ(measurements["lesion"]["voxels"], voxels);
  EXPECT_NEAR(measurements["lesion"]["volume_ml"].get<double>(), static_cast<double>(voxels) * 0.7 * 0.8 * 5 / 1000,
              1e-4);
  EXPECT_EQ(measurements["slices"].size(), slices);
  EXPECT_TRUE(measurements["percent_affected"].is_null());
  EXPECT_EQ(measurements["model"]["file"], "model.onnx");
  EXPECT_EQ(measurements["model"]["sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(measurements["model"]["metadata"]["pulmoseg.classes"], "background,lesion");
  EXPECT_CONTAINS(measurements["research_use"].get<std::string>(), "Research use only");

  EXPECT_TRUE(read_file(out_ / "scan.png").starts_with("\x89PNG"));
  EXPECT_TRUE(read_file(out_ / "scan.html").starts_with("<!DOCTYPE html>"));
  const CsvTable cohort = read_csv(out_ / "cohort.csv");
  ASSERT_EQ(cohort.rows.size(), 1U);
  EXPECT_EQ(cohort.rows[0][cohort.column("lesion_voxels")], std::to_string(voxels));
  const Json printed = Json::parse(result.output);
  EXPECT_EQ(printed["cases"][0]["measurements"], measurements);
  EXPECT_EQ(printed["cases"][0]["files"]["mask"], (out_ / "scan_lesion.nii.gz").string());
  EXPECT_TRUE(printed["failed"].empty());
}

TEST_F(SegmentProgram, WritesTheModelsLungAndKeepsLesionsInsideOfIt) {
  onnx::write(test::lung_and_lesion_network(), model_);
  // In each of two slices: two lungs of 10 x 20 with a vessel in one, a speck that looks like lung, a lesion of 4 x 4 in a lung
  // and one outside.
  const auto tissue = [](std::int64_t i, std::int64_t j) {
    const auto within = [&](std::int64_t left, std::int64_t top, std::int64_t width, std::int64_t height) {
      return i >= left && i < left + width && j >= top && j < top + height;
    };
    if (within(20, 6, 4, 4) || within(14, 28, 3, 3)) return 1.0F;
    if (within(6, 12, 2, 2)) return 0.0F;
    return within(2, 4, 10, 20) || within(18, 4, 10, 20) || within(30, 30, 2, 2) ? 0.5F : 0.0F;
  };
  Volume volume{.geometry = {.size = {32, 32, 2}, .spacing = {1, 1, 5}}, .voxels = {}};
  for (std::int64_t k = 0; k < 2; ++k) {
    for (std::int64_t j = 0; j < 32; ++j) {
      for (std::int64_t i = 0; i < 32; ++i) volume.voxels.push_back(tissue(i, j));
    }
  }
  write_volume(folder_ / "scan.nii.gz", volume, {}, volume::VoxelType::float32);
  const auto count = [&](const char* name) {
    return std::ranges::count(volume::read_volume(out_ / name).voxels, 1.0F);
  };
  const auto result = segment({(folder_ / "scan.nii.gz").string(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(count("scan_lung.nii.gz"), 2 * 2 * 200);
  EXPECT_EQ(count("scan_lesion.nii.gz"), 2 * 16);
  const Json measured = Json::parse(read_file(out_ / "scan.json"));
  EXPECT_EQ(measured["percent_affected"], 100 * 32.0 / 800);
  EXPECT_EQ(measured["lung_mask"], "scan_lung.nii.gz");
  EXPECT_EQ(Json::parse(result.output)["cases"][0]["files"]["lung"], (out_ / "scan_lung.nii.gz").string());

  ASSERT_EQ(segment({(folder_ / "scan.nii.gz").string(), "--overwrite", "--as-found"}).exit_code, 0);
  EXPECT_EQ(count("scan_lung.nii.gz"), 2 * (2 * 200 - 4 + 4 + 9));
  EXPECT_EQ(count("scan_lesion.nii.gz"), 2 * (16 + 9));
  ASSERT_EQ(segment({(folder_ / "scan.nii.gz").string(), "--overwrite", "--speck-ml", "1"}).exit_code, 0);
  EXPECT_EQ(count("scan_lesion.nii.gz"), 0);  // 0.16 ml
}

TEST_F(SegmentProgram, PutsTheMaskOnTheInputsGridInAnyAxisOrder) {
  std::vector<std::string> inputs;
  int number = 0;
  for (const auto& stored :
       {volume::AxisOrder{{0, 1, 2}, {true, true, false}}, volume::AxisOrder{{2, 0, 1}, {false, true, true}},
        volume::AxisOrder{{1, 0, 2}, {true, false, true}}}) {
    for (const char* ending : {".nii", ".nrrd"}) {
      const auto image = folder_ / ("scan" + std::to_string(number++) + ending);
      write_volume(image, phantom(oblique_grid()), stored);
      inputs.push_back(image.string());
    }
  }
  const auto result = segment(inputs);
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto mask = out_ / ("scan" + std::to_string(i) + "_lesion.nii.gz");
    expect_phantom_mask(mask, inputs[i]);
    const auto stored = volume::VolumeReader::open(mask).source().stored_geometry;
    EXPECT_TRUE(volume::same_grid(stored, volume::VolumeReader::open(inputs[i]).source().stored_geometry));
  }
}

TEST_F(SegmentProgram, KeepsA2DFile2D) {
  const Volume volume =
      phantom({.size = {columns, rows, 1}, .spacing = {1, 1, 1}, .origin = {}, .direction = Geometry{}.direction});
  // Without any position in its header, a NIfTI file runs to the right's and anterior's opposite as stored: the reader turns it.
  write_2d_nifti(folder_ / "slice.nii", volume.voxels);
  const auto result = segment({(folder_ / "slice.nii").string(), "--format", "nii", "--probabilities"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const std::string mask = read_file(out_ / "slice_lesion.nii");
  std::int16_t dimensions[3];
  std::memcpy(dimensions, mask.data() + 40, sizeof(dimensions));
  EXPECT_EQ(dimensions[0], 2);
  EXPECT_EQ(dimensions[1], columns);
  EXPECT_EQ(dimensions[2], rows);
  ASSERT_EQ(mask.size(), 352U + columns * rows);
  std::int64_t wrong = 0;
  for (std::size_t p = 0; p < volume.voxels.size(); ++p) wrong += (mask[352 + p] == 1) != (volume.voxels[p] > 0);
  EXPECT_LT(wrong, 20);
}

TEST_F(SegmentProgram, WritesProbabilitiesThatDecideTheMask) {
  write_volume(folder_ / "scan.nrrd", phantom(oblique_grid()));
  const auto result =
      segment({(folder_ / "scan.nrrd").string(), "--format", "nrrd", "--probabilities", "--threads", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const Volume mask = volume::read_volume(out_ / "scan_lesion.nrrd");
  const Volume probability = volume::read_volume(out_ / "scan_lesion_probability.nrrd");
  EXPECT_TRUE(volume::same_grid(mask.geometry, probability.geometry));
  bool between = false;
  for (std::size_t i = 0; i < mask.voxels.size(); ++i) {
    ASSERT_GE(probability.voxels[i], 0);
    ASSERT_LE(probability.voxels[i], 1);
    if (std::abs(probability.voxels[i] - 0.5F) > 1e-6F) {
      ASSERT_EQ(mask.voxels[i] == 1, probability.voxels[i] > 0.5F);
    }
    between |= probability.voxels[i] > 0.1F && probability.voxels[i] < 0.9F;
  }
  EXPECT_TRUE(between) << "nothing was interpolated";
}

TEST_F(SegmentProgram, SaysHowSureItIs) {
  write_volume(folder_ / "scan.nii.gz", phantom(oblique_grid()));
  const std::string scan = (folder_ / "scan.nii.gz").string();
  onnx::write(test::threshold_network(4, 0.5, 32), model_);
  ASSERT_EQ(segment({scan, "--uncertainty", "--probabilities"}).exit_code, 0);
  const Volume uncertainty = volume::read_volume(out_ / "scan_uncertainty.nii.gz"),
               probability = volume::read_volume(out_ / "scan_lesion_probability.nii.gz");
  double inside = 0, all = 0, pixels = 0;
  for (std::size_t i = 0; i < probability.voxels.size(); ++i) {
    const double p = probability.voxels[i];
    ASSERT_NEAR(uncertainty.voxels[i], -p * std::log2(p) - (1 - p) * std::log2(1 - p), 1e-5);
    all += p;
    if (p <= 0.5) continue;
    inside += p;
    ++pixels;
  }
  const Json measurements = Json::parse(read_file(out_ / "scan.json"));
  EXPECT_NEAR(measurements["lesion"]["expected_dice"].get<double>(), 2 * inside / (all + pixels), 1e-4);
  EXPECT_EQ(measurements["model"]["mirrors_averaged"], false);

  const auto twin = folder_ / "twin.onnx";
  onnx::write(test::threshold_network(8, 0.5, 32), twin);
  const auto averaged = segment({scan, "--model", twin.string(), "--tta", "--overwrite"});
  ASSERT_EQ(averaged.exit_code, 0) << averaged.messages;
  const Json of_both = Json::parse(read_file(out_ / "scan.json"));
  EXPECT_EQ(of_both["model"]["mirrors_averaged"], true);
  EXPECT_EQ(of_both["model"]["averaged_with"].size(), 1U);
  EXPECT_GT(of_both["lesion"]["expected_dice"], measurements["lesion"]["expected_dice"]) << "the twin is surer";
}

TEST_F(SegmentProgram, LooksAtTheSlicesThatAreAskedFor) {
  write_volume(folder_ / "scan.nii.gz", phantom(oblique_grid()));
  const std::string scan = (folder_ / "scan.nii.gz").string();
  ASSERT_EQ(segment({scan, "--slices", "1:2"}).exit_code, 0);
  const Json measurements = Json::parse(read_file(out_ / "scan.json"));
  for (std::size_t k = 0; k < slices; ++k)
    EXPECT_EQ(measurements["slices"][k]["lesion_voxels"] > 0, k == 1 || k == 2) << k;
  EXPECT_EQ(measurements["notes"].back()["code"], "slices_left_out");
  for (const char* wrong : {"2:1", "a:b", "3", "-1:2"})
    EXPECT_EQ(segment({scan, "--slices", wrong}).exit_code, 2) << wrong;
  const auto none = segment({scan, "--slices", "5:9", "--overwrite"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_CONTAINS(none.messages, "scan.nii.gz: has slices 0 to 4, --slices asks for others only (5 to 9)");
}

TEST_F(SegmentProgram, GivesTheSameBytesTwice) {
  write_volume(folder_ / "scan.nii", phantom(oblique_grid()), {{2, 1, 0}, {true, false, true}});
  const std::vector<std::string> arguments{(folder_ / "scan.nii").string(), "--probabilities", "--overwrite"};
  ASSERT_EQ(segment(arguments).exit_code, 0);
  std::map<std::string, std::string> first;
  for (const auto& name : results()) first[name] = read_file(out_ / name);
  EXPECT_EQ(first.size(), 7U);
  ASSERT_EQ(segment(arguments).exit_code, 0);
  for (const auto& [name, bytes] : first) EXPECT_EQ(read_file(out_ / name), bytes) << name;
}

TEST_F(SegmentProgram, MeasuresTheShareOfTheLung) {
  const auto image = folder_ / "scan.nii.gz";
  write_volume(image, phantom(oblique_grid()));
  Volume lung{.geometry = oblique_grid(), .voxels = {}};
  for (std::int64_t p = 0; p < columns * rows * slices; ++p) lung.voxels.push_back(p % columns < 20 ? 2.0F : 0.0F);
  write_volume(folder_ / "same.nii.gz", lung, {}, volume::VoxelType::uint8);
  write_volume(folder_ / "turned.nrrd", lung, {{2, 0, 1}, {true, false, true}}, volume::VoxelType::uint8);

  ASSERT_EQ(segment({image.string(), "--lung-mask", (folder_ / "same.nii.gz").string()}).exit_code, 0);
  const Json same = Json::parse(read_file(out_ / "scan.json"));
  ASSERT_EQ(segment({image.string(), "--overwrite", "--lung-mask", (folder_ / "turned.nrrd").string()}).exit_code, 0);
  const Json turned = Json::parse(read_file(out_ / "scan.json"));

  const Volume mask = volume::read_volume(out_ / "scan_lesion.nii.gz");
  std::int64_t inside = 0, outside = 0;
  for (std::size_t i = 0; i < mask.voxels.size(); ++i) (lung.voxels[i] != 0 ? inside : outside) += mask.voxels[i] == 1;
  ASSERT_GT(outside, 0);
  EXPECT_EQ(same["lung"]["voxels"], 20 * rows * slices);
  EXPECT_EQ(same["lesion"]["outside_lung_voxels"], outside);
  EXPECT_NEAR(same["percent_affected"].get<double>(), 100.0 * static_cast<double>(inside) / (20.0 * rows * slices),
              1e-9);
  EXPECT_EQ(same["lung_mask"], "same.nii.gz");
  EXPECT_EQ(turned["percent_affected"], same["percent_affected"]);
  EXPECT_EQ(turned["slices"], same["slices"]);
}

TEST_F(SegmentProgram, RefusesALungMaskThatIsNotOfThisScan) {
  write_volume(folder_ / "scan.nii", phantom(oblique_grid()));
  auto other = oblique_grid();
  other.size[2] = 4;
  other.origin[0] += 500;
  write_volume(folder_ / "lung.nii", Volume{.geometry = other, .voxels = std::vector<float>(columns * rows * 4, 1.0F)});
  const auto result = segment({(folder_ / "scan.nii").string(), "--lung-mask", (folder_ / "lung.nii").string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "40x32x4");
  EXPECT_CONTAINS(result.messages, "40x32x5");
  EXPECT_TRUE(results().empty());

  const auto usage = segment({(folder_ / "scan.nii").string(), (folder_ / "lung.nii").string(), "--lung-mask",
                              (folder_ / "lung.nii").string()});
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_CONTAINS(usage.messages, "--lung-mask is given 1 times for 2 inputs");
}

TEST_F(SegmentProgram, GivesTwoInputsOfOneNameTwoNames) {
  fs::create_directories(folder_ / "a b");
  fs::create_directories(folder_ / "größe/日本");
  const auto first = folder_ / "a b/scan.nii.gz", second = folder_ / "größe/日本/scan.nrrd";
  write_volume(first, phantom(oblique_grid()));
  write_volume(second, phantom(oblique_grid()));
  out_ = folder_ / "aus gabe ü";
  const auto result = segment({first.string(), second.string()});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  expect_phantom_mask(out_ / "scan_lesion.nii.gz", first);
  expect_phantom_mask(out_ / "scan_2_lesion.nii.gz", second);
  EXPECT_EQ(Json::parse(read_file(out_ / "scan_2.json"))["image"], "scan.nrrd");
  EXPECT_EQ(read_csv(out_ / "cohort.csv").rows.size(), 2U);

  const auto twice = segment({first.string(), (folder_ / "a b/../a b/scan.nii.gz").string(), "--overwrite"});
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_CONTAINS(twice.messages, "is named twice");
}

TEST_F(SegmentProgram, ATableOfAnEarlierVersionIsRefusedAndMadeAnew) {
  write_volume(folder_ / "a.nii", phantom(oblique_grid()));
  const std::string a = (folder_ / "a.nii").string();
  ASSERT_EQ(segment({a}).exit_code, 0);
  const std::string table = read_file(out_ / "cohort.csv");
  write_file(out_ / "cohort.csv", "case,lesion_ml\na,1\n");
  const auto refused = segment({a, "--resume"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_CONTAINS(refused.messages, "pulmoseg cohort " + out_.string());
  ASSERT_EQ(test::run_program({"cohort", out_.string()}).exit_code, 0);
  EXPECT_EQ(read_file(out_ / "cohort.csv"), table);
  EXPECT_EQ(segment({a, "--resume"}).exit_code, 0);
}

TEST_F(SegmentProgram, ReplacesNothingUnlessAsked) {
  write_volume(folder_ / "a.nii", phantom(oblique_grid()));
  write_volume(folder_ / "b.nii", phantom(oblique_grid()));
  const std::string a = (folder_ / "a.nii").string(), b = (folder_ / "b.nii").string();
  ASSERT_EQ(segment({a}).exit_code, 0);
  write_file(out_ / "a.json", "mine");

  const auto refused = segment({b, a});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_CONTAINS(refused.messages, "exists already, so nothing was computed");
  EXPECT_FALSE(fs::exists(out_ / "b.json"));
  EXPECT_EQ(read_file(out_ / "a.json"), "mine");

  ASSERT_EQ(segment({b}).exit_code, 0);
  EXPECT_EQ(read_csv(out_ / "cohort.csv").rows.size(), 2U) << "a case of an earlier run stays in the table";
  ASSERT_EQ(segment({a, b, "--overwrite"}).exit_code, 0);
  EXPECT_EQ(read_csv(out_ / "cohort.csv").rows.size(), 2U);
  EXPECT_NE(read_file(out_ / "a.json"), "mine");

  // A mask of an earlier run as input, in its own folder.
  const auto own = segment({(out_ / "a_lesion.nii.gz").string(), a, "--overwrite"});
  EXPECT_EQ(own.exit_code, 2);
  EXPECT_CONTAINS(own.messages, "is an input");
}

TEST_F(SegmentProgram, AnOverwriteThatFailsLeavesNoMeasurementsOfBefore) {
  write_volume(folder_ / "a.nii", phantom(oblique_grid()));
  const std::string a = (folder_ / "a.nii").string();
  ASSERT_EQ(segment({a}).exit_code, 0);
  fs::create_directory(out_ / "a_lesion_probability.nii.gz");  // cannot be replaced by a file
  EXPECT_EQ(segment({a, "--probabilities", "--overwrite"}).exit_code, 1);
  EXPECT_FALSE(fs::exists(out_ / "a.json"));
  EXPECT_FALSE(fs::exists(out_ / "a.png"));
  EXPECT_FALSE(fs::exists(out_ / "a.html"));
}

TEST_F(SegmentProgram, ReportsABadCaseAndGoesOn) {
  write_volume(folder_ / "good.nii", phantom(oblique_grid()));
  write_file(folder_ / "empty.nii", "");
  write_file(folder_ / "text.nii.gz", "no image");
  write_volume(folder_ / "cut.nii", phantom(oblique_grid()));
  fs::resize_file(folder_ / "cut.nii", fs::file_size(folder_ / "cut.nii") - 100);
  std::vector<std::string> inputs;
  for (const char* name : {"empty.nii", "none.nii", "cut.nii", "good.nii", "text.nii.gz"})
    inputs.push_back((folder_ / name).string());
  inputs.push_back("--json");
  const auto result = segment(inputs);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "4 of 5 cases failed");
  for (const char* name : {"empty.nii: ", "none.nii: ", "cut.nii: ", "text.nii.gz: "})
    EXPECT_CONTAINS(result.messages, name);
  EXPECT_EQ(results(), (std::vector<std::string>{"cohort.csv", "cohort.html", "good.html", "good.json", "good.png",
                                                 "good_lesion.nii.gz"}));
  const Json printed = Json::parse(result.output);
  EXPECT_EQ(printed["cases"].size(), 1U);
  EXPECT_EQ(printed["failed"].size(), 4U);

  const auto alone = segment({(folder_ / "cut.nii").string()});
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_EQ(std::ranges::count(alone.messages, '\n'), 1) << alone.messages;
}

TEST_F(SegmentProgram, SaysWhatIsWrongWithTheCall) {
  write_volume(folder_ / "a.nii", phantom(oblique_grid()));
  const std::string a = (folder_ / "a.nii").string(), out = out_.string();
  const auto run = [](std::vector<std::string> arguments) { return test::run_program(arguments); };
  EXPECT_EQ(run({"segment", a}).exit_code, 2);
  EXPECT_EQ(run({"segment", "--model", model_.string(), "--out", out}).exit_code, 2);
  EXPECT_EQ(segment({a, "--format", "png"}).exit_code, 2);
  EXPECT_EQ(segment({a, "--precision", "bf17"}).exit_code, 2);
  EXPECT_EQ(segment({a, "--threads", "-2"}).exit_code, 2);
  for (const char* ml : {"nan", "inf", "-1"}) EXPECT_EQ(segment({a, "--speck-ml", ml}).exit_code, 2) << ml;
  EXPECT_EQ(segment({""}).messages, "pulmoseg: INPUT: is empty, expected a scan\n");
  EXPECT_EQ(run({"segment", a, "--out", ""}).messages, "pulmoseg: --out: is empty, expected a folder\n");
  EXPECT_EQ(run({"divide"}).messages, "pulmoseg: 'divide' is no command (see pulmoseg --help)\n");
  const auto no_model = run({"segment", a, "--model", (folder_ / "none").string(), "--out", out});
  EXPECT_EQ(no_model.exit_code, 1);
  EXPECT_CONTAINS(no_model.messages, "does not exist, expected an .onnx file");
  write_file(folder_ / "file", "");
  const auto unwritable = run({"segment", a, "--model", model_.string(), "--out", (folder_ / "file/out").string()});
  EXPECT_EQ(unwritable.exit_code, 1);
  EXPECT_CONTAINS(unwritable.messages, "cannot be created");
  auto rgb = test::threshold_network();
  rgb.inputs[0].shape[1] = std::int64_t{3};
  rgb.initializers[0] = {.name = "weight", .shape = {2, 3, 1, 1}, .data = std::vector<float>(6)};
  onnx::write(rgb, folder_ / "rgb.onnx");
  const auto wrong_model = run({"segment", a, "--model", (folder_ / "rgb.onnx").string(), "--out", out});
  EXPECT_EQ(wrong_model.exit_code, 1);
  EXPECT_CONTAINS(wrong_model.messages, "rgb.onnx: has the input 'image' f32 [?,3,?,?], expected one float32 input");
  EXPECT_TRUE(results().empty());
}

TEST_F(SegmentProgram, LeavesAFolderInUseAlone) {
  write_volume(folder_ / "a.nii", phantom(oblique_grid()));
  const FolderLock other_run(out_);
  const auto result = segment({(folder_ / "a.nii").string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "is in use by another run");
}

TEST_F(SegmentProgram, CtrlCLeavesNothingHalfWritten) {
  const Geometry grid{.size = {32, 32, 30000}, .spacing = {1, 1, 1}, .origin = {}, .direction = Geometry{}.direction};
  write_volume(folder_ / "long.nii", Volume{.geometry = grid, .voxels = std::vector<float>(32 * 32 * 30000, 1.0F)}, {},
               volume::VoxelType::uint8);
  const auto has_begun = [&] {
    return std::ranges::any_of(results(), [](const std::string& name) { return name.starts_with(".partial"); });
  };
  const auto result = test::run_program(
      {"segment", (folder_ / "long.nii").string(), "--model", model_.string(), "--out", out_.string()}, has_begun);
  EXPECT_EQ(result.exit_code, 130) << result.messages;
  EXPECT_TRUE(results().empty());
}

TEST_F(SegmentProgram, ACaseThatFailsLeavesTheOthersTheirOwnScans) {
  for (const auto& [name, count] : {std::pair{"a", 3}, {"b", 4}, {"c", 5}})
    test::write_ct_series(folder_ / name, count);
  fs::create_directories(out_ / "a_pushed.csv/in_the_way");
  const auto result = segment({(folder_ / "a").string(), (folder_ / "b").string(), (folder_ / "c").string(), "--format",
                               "dicom-seg", "--overwrite"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "1 of 3 cases failed");
  for (const auto& [name, count] : {std::pair{"b.json", 4}, {"c.json", 5}})
    EXPECT_EQ(Json::parse(read_file(out_ / name))["slices"].size(), count) << name;
}

/// Many small scans in folders, some of one name.
class SegmentCohort : public SegmentProgram {
 protected:
  SegmentCohort() {
    for (const char* name : {"a/ct.nii.gz", "a/other.nrrd", "b/ct.nii.gz", "b/deep/x.nii", "b/deep/y.nii"}) {
      fs::create_directories((scans_ / name).parent_path());
      write_volume(scans_ / name, phantom(oblique_grid()));
    }
    write_file(scans_ / "a/notes.txt", "no scan");
  }

  /// Of each result file its bytes, but for the picture and the table.
  std::map<std::string, std::string> bytes() const {
    std::map<std::string, std::string> all;
    for (const std::string& name : results()) {
      if (name.ends_with(".json") || name.ends_with(".nii.gz")) all[name] = read_file(out_ / name);
    }
    return all;
  }

  /// `segment --resume` of a share of the scans, as a process of its own.
  pid_t start_shard(std::size_t index, std::size_t count) const {
    const std::string shard = std::to_string(index) + "/" + std::to_string(count);
    std::vector<std::string> words{test::program().string(), "segment", scans_.string()};
    words.insert(words.end(), {"--model", model_.string(), "--out", out_.string()});
    words.insert(words.end(), {"--resume", "--shard", shard, "--threads", "1"});
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::setenv("PULMOSEG_CACHE", "", /*overwrite=*/1);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(::open("/dev/null", O_WRONLY), stream);
    ::execv(pointers.front(), pointers.data());
    ::_exit(127);
  }

  std::vector<std::string> table() const {
    std::vector<std::string> names;
    for (const auto& row : read_csv(out_ / "cohort.csv").rows) names.push_back(row.front());
    return names;
  }

  fs::path scans_ = folder_ / "scans";
  std::vector<std::string> names_{"ct", "other", "ct_2", "x", "y"};
};

TEST_F(SegmentCohort, SearchesFoldersAndReadsLists) {
  ASSERT_EQ(segment({scans_.string()}).exit_code, 0);
  EXPECT_EQ(table(), names_);
  const auto of_folder = bytes();
  fs::remove_all(out_);
  write_file(scans_ / "list.csv", "case,image\nfirst,a/ct.nii.gz\n,b/deep/x.nii\n");
  ASSERT_EQ(segment({(scans_ / "list.csv").string()}).exit_code, 0);
  EXPECT_EQ(table(), (std::vector<std::string>{"first", "x"}));
  EXPECT_EQ(bytes().at("x.json"), of_folder.at("x.json"));
}

TEST_F(SegmentCohort, MasksOfAnEarlierRunAreNoScans) {
  const auto into_scans = [&](const std::string& how) {
    return test::run_program({"segment", (scans_ / "b").string(), "--model", model_.string(), "--out",
                              (scans_ / "b").string(), "--probabilities", how});
  };
  ASSERT_EQ(into_scans("--overwrite").exit_code, 0);
  const auto again = into_scans("--resume");
  EXPECT_EQ(again.exit_code, 0) << again.messages;
  EXPECT_CONTAINS(again.messages, "are left out");
  EXPECT_EQ(read_csv(scans_ / "b/cohort.csv").rows.size(), 3U);
  fs::copy_file(scans_ / "b/ct.nii.gz", scans_ / "b/deep/z_lesion.nii.gz");  // a scan that is called so
  ASSERT_EQ(into_scans("--resume").exit_code, 0);
  EXPECT_EQ(read_csv(scans_ / "b/cohort.csv").rows.size(), 4U);
}

TEST_F(SegmentCohort, AListMayNameLungMasks) {
  write_file(scans_ / "list.csv", "image,lung_mask\na/ct.nii.gz,b/ct.nii.gz\na/other.nrrd,\n");
  const auto result = segment({(scans_ / "list.csv").string()});
  EXPECT_EQ(result.exit_code, 1) << "the phantom's values are no labels";
  EXPECT_CONTAINS(result.messages, "b/ct.nii.gz");
  EXPECT_EQ(table(), std::vector<std::string>{"other"});
}

TEST_F(SegmentCohort, SaysWhatIsWrongWithAList) {
  const auto messages = [&](const char* text) {
    write_file(scans_ / "list.csv", text);
    const auto result = segment({(scans_ / "list.csv").string()});
    EXPECT_EQ(result.exit_code, 1);
    return result.messages;
  };
  EXPECT_CONTAINS(messages("file\na/ct.nii.gz\n"), "expected one named image");
  EXPECT_CONTAINS(messages("image\n"), "holds no scans");
  EXPECT_CONTAINS(messages("image,case\na/ct.nii.gz,../up\n"), "cannot be the name of a case");
  EXPECT_CONTAINS(messages("image\nnone.nii\n"), "none.nii");
  fs::create_directory(folder_ / "empty");
  EXPECT_CONTAINS(segment({(folder_ / "empty").string()}).messages, "holds no scans");
}

TEST_F(SegmentCohort, ShardsDoEveryCaseOnceAndShareAFolder) {
  ASSERT_EQ(segment({scans_.string()}).exit_code, 0);
  const auto expected = bytes();
  const std::string expected_table = read_file(out_ / "cohort.csv");
  fs::remove_all(out_);
  {
    const FolderLock other(out_, "2-of-4");  // the second case and every fourth after it
    ASSERT_EQ(segment({scans_.string(), "--shard", "1/2"}).exit_code, 0);
    EXPECT_EQ(bytes().size(), 6U) << "three cases of two files";
    const auto refused = segment({scans_.string(), "--shard", "2/2"});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_CONTAINS(refused.messages, "in use by another run of pulmoseg, whose part 2-of-4 overlaps 2-of-2");
    EXPECT_EQ(segment({scans_.string(), "--shard", "1/3"}).exit_code, 1) << "they meet at the tenth case";
    EXPECT_EQ(segment({scans_.string(), "--shard", "2/4"}).exit_code, 1);
    EXPECT_EQ(bytes().size(), 6U);
  }
  ASSERT_EQ(segment({scans_.string(), "--shard", "2/2"}).exit_code, 0);
  EXPECT_EQ(bytes(), expected);
  EXPECT_FALSE(fs::exists(out_ / "cohort.csv"));
  const auto none = test::run_program({"cohort", scans_.string()});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_CONTAINS(none.messages, "holds no measurements");
  EXPECT_FALSE(fs::exists(scans_ / "cohort.csv"));
  ASSERT_EQ(test::run_program({"cohort", out_.string()}).exit_code, 0);
  EXPECT_EQ(table(), (std::vector<std::string>{"ct", "ct_2", "other", "x", "y"}));
  std::multiset<std::string> lines, expected_lines;
  std::istringstream found(read_file(out_ / "cohort.csv")), wanted(expected_table);
  for (std::string line; std::getline(found, line);) lines.insert(line);
  for (std::string line; std::getline(wanted, line);) expected_lines.insert(line);
  EXPECT_EQ(lines, expected_lines) << "the table from the measurements, and the one that grew case by case";
  EXPECT_EQ(segment({scans_.string(), "--shard", "3/2"}).exit_code, 2);
}

TEST_F(SegmentCohort, ResumeDoesWhatIsLeft) {
  ASSERT_EQ(segment({scans_.string()}).exit_code, 0);
  const auto expected = bytes();
  // As a kill leaves it: measurements of one case missing, a file half-written, the table's last line cut.
  const auto before = fs::last_write_time(out_ / "ct.json");
  fs::remove(out_ / "x.json");
  write_file(out_ / ".partial-77-x.json", "{");
  write_file(out_ / ".partial-77-of-another-run.json", "{");
  const std::string whole = read_file(out_ / "cohort.csv");
  write_file(out_ / "cohort.csv", whole.substr(0, whole.find("ct_2") + 9));
  EXPECT_EQ(segment({scans_.string()}).exit_code, 1) << "exists already";
  const auto resumed = segment({scans_.string(), "--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.messages;
  EXPECT_CONTAINS(resumed.messages, "4 cases are done already");
  EXPECT_EQ(bytes().size(), expected.size() + 1) << "only files of this run's own cases are swept away";
  for (const auto& [name, content] : expected) EXPECT_EQ(read_file(out_ / name), content) << name;
  EXPECT_EQ(fs::last_write_time(out_ / "ct.json"), before);
  auto sorted = table(), names = names_;
  std::ranges::sort(sorted);
  std::ranges::sort(names);
  EXPECT_EQ(sorted, names);

  onnx::write(test::threshold_network(50, 0.25, 32), model_);
  const auto other_model = segment({scans_.string(), "--resume"});
  EXPECT_EQ(other_model.exit_code, 1);
  EXPECT_CONTAINS(other_model.messages, "is of the model of sha256 ");
  onnx::write(test::threshold_network(50, 0.5, 32), model_);
  EXPECT_CONTAINS(segment({scans_.string(), "--resume", "--tta"}).messages, " with --tta; choose another folder");
  EXPECT_EQ(segment({scans_.string(), "--resume"}).exit_code, 0);
}

TEST_F(SegmentCohort, ResumeNoticesThatANameStandsForAnotherScan) {
  write_volume(scans_ / "b/ct.nii.gz", phantom({.size = {columns, rows, 4}, .spacing = {1, 1, 1}, .origin = {}}));
  ASSERT_EQ(segment({scans_.string()}).exit_code, 0);
  const auto before = bytes();
  fs::create_directories(scans_ / "aa");
  fs::rename(scans_ / "a/other.nrrd", scans_ / "aa/other.nrrd");
  EXPECT_EQ(segment({scans_.string(), "--resume"}).exit_code, 0) << "the same scan at another place";
  write_volume(scans_ / "aa/ct.nii.gz", phantom({.size = {columns, rows, 3}, .spacing = {1, 1, 1}, .origin = {}}));
  const auto shifted = segment({scans_.string(), "--resume"});
  EXPECT_EQ(shifted.exit_code, 1);
  EXPECT_CONTAINS(shifted.messages, "ct_2.json: is not of " + (scans_ / "aa/ct.nii.gz").string());
  EXPECT_EQ(bytes(), before);
}

TEST_F(SegmentCohort, ResultsThatAreBeingWrittenAreNotInTheTable) {
  ASSERT_EQ(segment({scans_.string()}).exit_code, 0);
  write_file(out_ / ".partial-99.deadbeef-ct_9.json", "");
  EXPECT_EQ(test::run_program({"cohort", out_.string()}).exit_code, 0);
  EXPECT_EQ(table().size(), names_.size());
}

TEST_F(SegmentCohort, KilledAtAnyMomentItLosesNothing) {
  for (int i = 0; i < 20; ++i) fs::copy_file(scans_ / "a/ct.nii.gz", scans_ / ("scan" + std::to_string(i) + ".nii.gz"));
  ASSERT_EQ(segment({scans_.string(), "--threads", "1"}).exit_code, 0);
  const auto expected = bytes();
  fs::remove_all(out_);
  struct ShardRun {
    pid_t process = 0;
    bool done = false;
  };
  std::array<ShardRun, 4> shards;
  std::mt19937 random(5);
  int kills = 0;
  for (int round = 0; !std::ranges::all_of(shards, &ShardRun::done); ++round) {
    ASSERT_LT(round, 100);
    for (std::size_t i = 0; i < shards.size(); ++i) {
      if (!shards[i].done) shards[i].process = start_shard(i + 1, shards.size());
    }
    for (ShardRun& shard : shards) {
      if (shard.done) continue;
      if (kills < 30) {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(20, 250)(random)));
        ::kill(shard.process, SIGKILL);
      }
      int status = 0;
      ::waitpid(shard.process, &status, 0);
      ASSERT_TRUE(!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL) << status;
      kills += WIFSIGNALED(status);
      shard.done = WIFEXITED(status);
      ASSERT_TRUE(!shard.done || WEXITSTATUS(status) == 0);
    }
  }
  EXPECT_GE(kills, 8);
  EXPECT_EQ(bytes(), expected);
  for (const auto& entry : fs::directory_iterator(out_))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".partial")) << entry.path();
  ASSERT_EQ(test::run_program({"cohort", out_.string()}).exit_code, 0);
  const auto names = table();
  EXPECT_EQ(names.size(), 25U);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 25U);
}

TEST_F(SegmentCohort, WorkersDoTheSame) {
  ASSERT_EQ(segment({scans_.string()}).exit_code, 0);
  const auto expected = bytes();
  fs::remove_all(out_);
  write_file(scans_ / "b/broken.nii", "no scan");
  const auto result = segment({scans_.string(), "--workers", "3"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "broken.nii");
  EXPECT_CONTAINS(result.messages, "1 of 3 workers failed");
  EXPECT_EQ(bytes(), expected);
  EXPECT_EQ(table(), (std::vector<std::string>{"ct", "ct_2", "other", "x", "y"}));
  fs::remove(scans_ / "b/broken.nii");
  EXPECT_EQ(segment({scans_.string(), "--workers", "2", "--resume"}).exit_code, 0);
  EXPECT_EQ(segment({scans_.string(), "--workers", "2", "--json"}).exit_code, 2);
}

TEST_F(SegmentCohort, WorkersTakeTheirOptionsBeforeWhatIsNoOption) {
  const auto result = test::run_program({"segment", "--model", model_.string(), "--out", out_.string(), "--workers",
                                         "2", "--", (scans_ / "a").string(), (scans_ / "b").string()});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(table().size(), names_.size());
}

TEST_F(SegmentCohort, WorkersAreStoppedWithTheirParentAndWhatTheyFinishedIsInTheTable) {
  const Geometry grid{.size = {32, 32, 30000}, .spacing = {1, 1, 1}, .origin = {}, .direction = Geometry{}.direction};
  write_volume(folder_ / "long.nii", Volume{.geometry = grid, .voxels = std::vector<float>(32 * 32 * 30000, 1.0F)}, {},
               volume::VoxelType::uint8);
  const auto one_is_done = [&] { return fs::exists(out_ / "x.json"); };
  const auto result = test::run_program({"segment", (scans_ / "b/deep/x.nii").string(), (folder_ / "long.nii").string(),
                                         "--model", model_.string(), "--out", out_.string(), "--workers", "2"},
                                        one_is_done);
  EXPECT_EQ(result.exit_code, 130) << result.messages;
  EXPECT_EQ(table(), std::vector<std::string>{"x"});
  EXPECT_FALSE(fs::exists(out_ / "long.json"));
}

class SegmentDicom : public SegmentProgram {
 protected:
  void expect_the_same_mask(const fs::path& series, const fs::path& file, std::ptrdiff_t least_lesion) {
    const auto result = segment({series.string(), file.string()});
    ASSERT_EQ(result.exit_code, 0) << result.messages;
    const auto mask_of = [&](const fs::path& scan) {
      return volume::read_volume(out_ / (volume::scan_name(scan) + "_lesion.nii.gz"));
    };
    const Volume from_series = mask_of(series), from_file = mask_of(file);
    EXPECT_TRUE(volume::same_grid(from_series.geometry, from_file.geometry)) << volume::describe(from_series.geometry);
    EXPECT_EQ(from_series.voxels, from_file.voxels);
    EXPECT_GT(std::ranges::count(from_file.voxels, 1.0F), least_lesion);
  }
};

TEST_F(SegmentDicom, IsReadAsTheSameVolume) {
  test::write_ct_series(folder_ / "series", 5);
  write_volume(folder_ / "ct.nrrd", volume::read_volume(folder_ / "series"));
  expect_the_same_mask(folder_ / "series", folder_ / "ct.nrrd", 10);
}

TEST_F(SegmentDicom, AZipAFileListAndAChosenSeriesAreReadAsTheSameVolume) {
  test::write_ct_series(folder_ / "series", 5);
  write_volume(folder_ / "ct.nrrd", volume::read_volume(folder_ / "series"));
  std::vector<std::pair<std::string, std::string>> zipped;
  std::vector<std::string> files;
  for (int n = 0; n < 5; ++n) {
    zipped.emplace_back("a/" + test::ct_slice_name(n), test::ct_slice(n).bytes());
    files.push_back((folder_ / "series" / test::ct_slice_name(n)).string());
    auto other = test::ct_slice(n);
    other.put(0x0020000e, "UI", "2.25.80").put(0x00200011, "IS", "4").put(0x00281052, "DS", "0");
    zipped.emplace_back("b/" + test::ct_slice_name(n), other.bytes());
  }
  test::write_bytes(folder_ / "study.zip", test::zip_bytes(zipped));
  const auto several = segment({(folder_ / "study.zip").string()});
  EXPECT_EQ(several.exit_code, 1);
  EXPECT_CONTAINS(several.messages, "holds 2 CT series");

  auto arguments = files;
  arguments.push_back((folder_ / "study.zip").string());
  arguments.push_back((folder_ / "ct.nrrd").string());
  arguments.insert(arguments.end(), {"--series", "3"});
  const auto result = segment(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const auto mask = [&](const char* name) {
    return volume::read_volume(out_ / (std::string(name) + "_lesion.nii.gz"));
  };
  EXPECT_EQ(mask("study").voxels, mask("ct").voxels);
  EXPECT_EQ(mask("series").voxels, mask("ct").voxels);
  EXPECT_GT(std::ranges::count(mask("ct").voxels, 1.0F), 10);
}

TEST_F(SegmentDicom, AMediumWithAFolderForEachSeries) {
  test::write_ct_series(folder_ / "medium/PAT/SER2", 5);
  fs::create_directories(folder_ / "medium/PAT/SER1");
  auto scout = test::ct_slice(0);
  scout.put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER").put(0x0020000e, "UI", "2.25.70");
  test::write_bytes(folder_ / "medium/PAT/SER1/IM0", scout.bytes());
  const auto result = segment({(folder_ / "medium").string()});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_CONTAINS(result.messages, "SER1: is left out: localizer");
  EXPECT_TRUE(fs::exists(out_ / "SER2.json"));
}

TEST_F(SegmentDicom, AFolderOfSeriesMayHoldOtherFilesToo) {
  for (const char* patient : {"p1", "p2"}) test::write_ct_series(folder_ / "all" / patient, 4);
  write_file(folder_ / "all/notes.txt", "of both");
  const std::string all = (folder_ / "all").string();
  ASSERT_EQ(segment({all}).exit_code, 0);
  EXPECT_TRUE(fs::exists(out_ / "p1.json") && fs::exists(out_ / "p2.json"));
  out_ = all;
  ASSERT_EQ(segment({all}).exit_code, 0) << "results beside the scans";
  const auto resumed = segment({all, "--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.messages;
  EXPECT_CONTAINS(resumed.messages, "2 cases are done already");
}

/// What `pulmoseg quantify` measures, but for the names of the files.
Json quantified(const fs::path& scan, const fs::path& lesion, const fs::path& lung) {
  const auto result = test::run_program(
      {"quantify", scan.string(), "--lesion-mask", lesion.string(), "--lung-mask", lung.string(), "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  Json json = Json::parse(result.output);
  json.erase("lesion_mask");
  json.erase("lung_mask");
  return json;
}

TEST_F(SegmentDicom, SegmentationsMeasureAsTheMasksDo) {
  onnx::write(test::lung_and_lesion_network(), model_);
  test::write_ct_series(folder_ / "ct", 5);
  const fs::path ct = folder_ / "ct";
  for (const char* format : {"nii.gz", "seg.nrrd", "dicom-seg"}) {
    const auto result = segment({ct.string(), "--format", format, "--as-found", "--overwrite"});
    ASSERT_EQ(result.exit_code, 0) << result.messages;
    if (std::string(format) == "nii.gz") {
      fs::create_directories(folder_ / "masks");
      for (const char* name : {"ct_lesion.nii.gz", "ct_lung.nii.gz"}) fs::copy(out_ / name, folder_ / "masks" / name);
    } else {
      const auto file = format == std::string("seg.nrrd") ? "ct.seg.nrrd" : "ct_seg.dcm";
      fs::copy(out_ / file, folder_ / "masks" / file);
    }
  }
  const Json expected = quantified(ct, folder_ / "masks/ct_lesion.nii.gz", folder_ / "masks/ct_lung.nii.gz");
  EXPECT_GT(expected["lesion"]["voxels"], 0);
  EXPECT_GT(expected["lung"]["voxels"], expected["lesion"]["voxels"]);
  for (const char* name : {"masks/ct.seg.nrrd", "masks/ct_seg.dcm"})
    EXPECT_EQ(quantified(ct, folder_ / name, folder_ / name), expected) << name;
}

TEST_F(SegmentDicom, SegmentationsAndReportsAreNoScans) {
  test::write_ct_series(folder_ / "study/ct", 5);
  ASSERT_EQ(segment({(folder_ / "study/ct").string(), "--format", "dicom-seg"}).exit_code, 0);
  for (const char* kind : {"seg", "sr"}) {
    fs::create_directories(folder_ / "study" / kind);
    fs::copy(out_ / (std::string("ct_") + kind + ".dcm"), folder_ / "study" / kind / "1.dcm");
  }
  const auto all = segment({(folder_ / "study").string(), "--overwrite"});
  EXPECT_EQ(all.exit_code, 0) << all.messages;
  EXPECT_CONTAINS(all.messages, "study/seg: is left out: modality SEG");
  EXPECT_CONTAINS(all.messages, "study/sr: is left out: Comprehensive3DSR");
  const auto seg = segment({(folder_ / "study/seg/1.dcm").string(), "--overwrite"});
  EXPECT_EQ(seg.exit_code, 1);
  EXPECT_CONTAINS(seg.messages, "1.dcm: is a DICOM Segmentation (modality SEG), expected a CT series; give the scan");
  const auto report = segment({(folder_ / "study/sr").string(), "--overwrite"});
  EXPECT_EQ(report.exit_code, 1);
  EXPECT_CONTAINS(report.messages, "sr: is a DICOM Comprehensive3DSR (modality SR), expected a CT series");
  const auto seen = test::run_program({"inspect", (folder_ / "study/seg/1.dcm").string(), "--json"});
  EXPECT_EQ(seen.exit_code, 0) << seen.messages;
  const Json file = Json::parse(seen.output)["files"][0];
  EXPECT_EQ(file["kind"], "segmentation");
  EXPECT_EQ(file["segments"][0]["name"], "Lesion");
  EXPECT_EQ(file["segments"][0]["code"], "52988006");
}

TEST_F(SegmentDicom, OfARealScannerIsReadAsTheSameVolume) {
  PULMOSEG_REQUIRE_DATA("dicom/chest-64");
  PULMOSEG_REQUIRE_DATA("hu/ct-64.nrrd");
  expect_the_same_mask(test::development_data("dicom/chest-64"), test::development_data("hu/ct-64.nrrd"), 1000);
}

}  // namespace
}  // namespace pulmoseg
