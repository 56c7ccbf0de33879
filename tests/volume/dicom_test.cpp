// The series dicom/chest-64 of the development data is the source of hu/ct-64.nrrd there.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "pulmoseg/volume/volume.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

fs::path series() { return *test::development_data() / "dicom/chest-64"; }

/// A folder with the first `count` slices.
void copy_slices(const fs::path& folder, int count) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(series())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (int n = 0; n < count; ++n)
    test::save(folder / files[static_cast<std::size_t>(n)].filename(),
               test::file_bytes(files[static_cast<std::size_t>(n)]));
}

TEST(Dicom, SeriesEqualsTheVolumeThatWasMadeFromIt) {
  PULMOSEG_REQUIRE_DATA();
  VolumeReader reader = VolumeReader::open(series());
  const SourceInfo source = reader.source();
  const Volume from_dicom = read_volume(std::move(reader));
  const Volume from_nrrd = read_volume(*test::development_data() / "hu/ct-64.nrrd");
  EXPECT_EQ(from_dicom.voxels, from_nrrd.voxels);
  EXPECT_TRUE(same_grid(from_dicom.geometry, from_nrrd.geometry));
  // SimpleITK 2.5.7, ImageSeriesReader:
  EXPECT_NEAR(from_dicom.geometry.spacing[2], 3.9873371794871795, 1e-9);
  EXPECT_NEAR(from_dicom.geometry.origin[2], -360.256, 1e-9);

  EXPECT_EQ(source.format, "DICOM series");
  EXPECT_EQ(source.files.size(), 79U);
  ASSERT_EQ(source.instance_uids.size(), 79U);
  EXPECT_TRUE(source.instance_uids.front().starts_with("1.2.826.0.1.3680043.2.1125."));
  EXPECT_EQ(source.files.front().filename(), "IMG0001.dcm");
  EXPECT_EQ(source.attributes.at("Modality"), "CT");
  EXPECT_FALSE(source.attributes.at("SeriesInstanceUID").empty());
}

TEST(Dicom, MaskInAnotherFormatLiesOnTheGridOfTheSeries) {
  PULMOSEG_REQUIRE_DATA();
  const test::TemporaryFolder folder;
  for (const char* name : {"mask.nii.gz", "mask.nrrd"}) {
    VolumeReader reader = VolumeReader::open(series());
    VolumeWriter writer(folder / name, reader.source(), VoxelType::int16);
    AxialSlice slice;
    while (reader.next(slice)) writer.write(slice.index, slice.pixels);
    writer.commit();
    const Volume mask = read_volume(folder / name), image = read_volume(series());
    EXPECT_EQ(mask.voxels, image.voxels);
    EXPECT_TRUE(same_grid(mask.geometry, image.geometry));
  }
}

TEST(Dicom, FilesThatAreNoImagesAreLeftAside) {
  PULMOSEG_REQUIRE_DATA();
  const test::TemporaryFolder folder;
  copy_slices(folder.path(), 3);
  test::save(folder / "notes.txt", "hello");
  test::save(folder / "empty", "");
  EXPECT_EQ(read_volume(folder.path()).geometry.size[2], 3);
}

TEST(Dicom, RefusesAStackWithAGapAndASliceThatIsThereTwice) {
  PULMOSEG_REQUIRE_DATA();
  const test::TemporaryFolder folder;
  const std::string name = folder.path().string();
  copy_slices(folder.path(), 5);
  fs::copy_file(folder / "IMG0002.dcm", folder / "copy.dcm");
  const std::string twice = test::reading_error(name);
  EXPECT_TRUE(
      twice ==
          name + ": has two slices in one place (IMG0002.dcm and copy.dcm), expected one CT series, one slice a file" ||
      twice ==
          name + ": has two slices in one place (copy.dcm and IMG0002.dcm), expected one CT series, one slice a file")
      << twice;
  fs::remove(folder / "copy.dcm");
  fs::remove(folder / "IMG0002.dcm");
  EXPECT_EQ(test::reading_error(name),
            name +
                ": has slices 7.974 mm apart (IMG0001.dcm and IMG0003.dcm) where others are 3.988 mm "
                "apart, expected evenly spaced slices; find the missing ones");
}

TEST(Dicom, RefusesASliceThatIsCutShort) {
  PULMOSEG_REQUIRE_DATA();
  const test::TemporaryFolder folder;
  copy_slices(folder.path(), 3);
  const fs::path file = folder / "IMG0002.dcm";
  fs::resize_file(file, fs::file_size(file) - 1);
  EXPECT_EQ(test::reading_error(folder.path()),
            file.string() + ": is cut short, expected the whole DICOM image; copy or download the file again");
}

TEST(Dicom, ListsSeveralSeries) {
  PULMOSEG_REQUIRE_DATA();
  const test::TemporaryFolder folder;
  copy_slices(folder.path(), 2);
  const auto source = VolumeReader::open(folder.path()).source();
  const std::string uid = source.attributes.at("SeriesInstanceUID");
  std::string other = uid;
  other.back() = other.back() == '1' ? '2' : '1';
  std::string bytes = test::file_bytes(source.files.front());
  bytes.replace(bytes.find(uid), uid.size(), other);
  test::save(folder / "other.dcm", bytes);
  const std::string message = test::reading_error(folder.path());
  EXPECT_NE(message.find(": holds 2 DICOM series: "), std::string::npos) << message;
  EXPECT_NE(message.find(uid + " (2 files)"), std::string::npos) << message;
  EXPECT_NE(message.find(other + " (1 files)"), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("expected one; give each a folder of its own")) << message;
}

}  // namespace
}  // namespace pulmoseg::volume
