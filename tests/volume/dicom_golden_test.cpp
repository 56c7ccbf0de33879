// Series in every encoding, made and read by tests/oracle/dicom.py: the same voxels, and each slice's corners where its own header
// has them.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path folder() { return test::repository_file("tests/data/volume/dicom"); }

/// `tolerance` in mm: the real series has its positions rounded to a thousandth.
void expect_corners(const Geometry& grid, const Json& slices, const std::string& name, double tolerance) {
  ASSERT_EQ(static_cast<std::int64_t>(slices.size()), grid.size[2]) << name;
  for (std::size_t slice = 0; slice < slices.size(); ++slice) {
    for (std::size_t corner = 0; corner < 4; ++corner) {
      const Vector3 index{static_cast<double>(corner < 2 ? 0 : grid.size[0] - 1),
                          static_cast<double>(corner % 2 == 0 ? 0 : grid.size[1] - 1), static_cast<double>(slice)};
      const Vector3 found = index_to_point(grid, index);
      for (std::size_t r = 0; r < 3; ++r)
        ASSERT_NEAR(found[r], slices[slice][corner][r].get<double>(), tolerance)
            << name << ", slice " << slice << ", corner " << corner;
    }
  }
}

void expect_voxels(const Volume& volume, const Json& one) {
  const auto name = one.at("name").get<std::string>();
  double sum = 0, weighted = 0;
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) {
    sum += volume.voxels[i];
    weighted += static_cast<double>(volume.voxels[i]) * static_cast<double>(i * 7919 % 1009);
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(volume.voxels[i], one.at("first")[i].get<float>()) << name;
  const auto near = [&](double found, double expected) {
    EXPECT_NEAR(found, expected, 1e-9 * std::abs(expected)) << name;
  };
  near(sum, one.at("sum").get<double>());
  near(weighted, one.at("weighted").get<double>());
}

void expect_golden(const fs::path& series, const Json& one, double tolerance) {
  SCOPED_TRACE(one.at("name").get<std::string>());
  const Volume volume = read_volume(series);
  const auto size = one.at("size").get<std::array<std::int64_t, 3>>();
  ASSERT_EQ(volume.geometry.size, size);
  expect_voxels(volume, one);
  expect_corners(volume.geometry, one.at("corners"), one.at("name"), tolerance);
}

TEST(DicomGolden, EveryEncodingGivesTheVoxelsAndCornersOfAnotherReader) {
  const Json golden = Json::parse(read_file(folder() / "golden.json"));
  ASSERT_GE(golden.at("series").size(), 20U);
  for (const Json& one : golden.at("series")) expect_golden(folder() / one.at("name").get<std::string>(), one, 1e-5);
}

/// The folder that `tests/oracle/dicom.py copies` wrote.
TEST(DicomGolden, CopiesOfARealSeries) {
  const char* const copies = std::getenv("PULMOSEG_DICOM_COPIES");
  if (!copies) GTEST_SKIP() << "needs PULMOSEG_DICOM_COPIES (see tests/oracle/dicom.py)";
  const Json golden = Json::parse(read_file(fs::path(copies) / "golden.json"));
  for (const Json& one : golden.at("series"))
    expect_golden(fs::path(copies) / one.at("name").get<std::string>(), one, 1e-3);
}

TEST(DicomGolden, FramesOfAnEnhancedFileAreNamed) {
  for (const char* name : {"enhanced", "enhanced_rle", "enhanced_jpeg2000"}) {
    const SourceInfo source = VolumeReader::open(folder() / name).source();
    ASSERT_EQ(source.frames.size(), 5U);
    std::vector<int> numbers;
    for (const DicomFrame& frame : source.frames) {
      EXPECT_EQ(frame.sop_instance_uid, "2.25.600");
      numbers.push_back(frame.frame_number);
    }
    EXPECT_FALSE(std::ranges::is_sorted(numbers));  // the file has them shuffled
    std::ranges::sort(numbers);
    EXPECT_EQ(numbers, (std::vector{1, 2, 3, 4, 5}));
    EXPECT_EQ(source.attributes.at("RescaleType"), "HU");
    EXPECT_EQ(source.attributes.at("SliceThickness"), "2.5");
    EXPECT_EQ(source.notes.front().code, "gantry_tilt");
    EXPECT_NE(source.notes.front().text.find("17.0 degrees"), std::string::npos) << source.notes.front().text;
  }
}

TEST(DicomGolden, PaddingIsKeptAndNoted) {
  const fs::path series = folder() / "padding";
  EXPECT_EQ(read_volume(series).voxels.front(), -2000.0F);
  EXPECT_EQ(VolumeReader::open(series).source().notes.front().code, "pixel_padding");
}

TEST(DicomGolden, ADicomdirNamesTheFiles) {
  const fs::path medium = folder() / "medium";
  EXPECT_EQ(VolumeReader::open(medium / "DICOMDIR").geometry().size[2], 4);
  EXPECT_EQ(VolumeReader::open(medium).geometry().size[2], 5);  // the folder has one more
  const test::TemporaryFolder copy;
  fs::copy(medium, copy.path(), fs::copy_options::recursive);
  fs::resize_file(copy / "DICOMDIR", 900);
  EXPECT_EQ(VolumeReader::open(copy.path()).geometry().size[2], 5);
  EXPECT_EQ(test::reading_error(copy / "DICOMDIR"),
            (copy / "DICOMDIR").string() +
                ": is a DICOMDIR that is cut short or damaged, expected a whole one; give the "
                "folder that holds the images instead");
}

}  // namespace
}  // namespace pulmoseg::volume
