// A made-up series with known values, on which each rule is tried, and a real one: dicom/chest-64 of the development
// data is the source of hu/ct-64.nrrd there.

#include "support/dicom.hpp"

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

const std::string a_whole_one =
    ", expected a whole DICOM image; copy or download the file again, or remove it from the folder";

using Attributes = std::map<std::string, std::string>;

/// The data set without the header and the checksum of gzip.
std::string deflated(const test::DicomFile& file) {
  const std::string packed = test::gzip(file.data_set());
  return file.head("1.2.840.10008.1.2.1.99") + packed.substr(10, packed.size() - 18);
}

class Dicom : public testing::Test {
 protected:
  void write(int count) { test::write_ct_series(folder_.path(), count); }
  fs::path slice(int n) const { return folder_ / test::ct_slice_name(n); }
  void replace(int n, const test::DicomFile& file) { test::save(slice(n), file.bytes()); }
  std::string error() const { return test::reading_error(folder_.path()); }
  std::string folder_name() const { return folder_.path().string(); }

  /// What is noted about files that are no DICOM files.
  std::string left_out() const {
    const SourceInfo source = VolumeReader::open(folder_.path()).source();
    const auto note = std::ranges::find(source.notes, "files_left_out", &Note::code);
    return note == source.notes.end() ? "" : note->text;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Dicom, GeometryAndValues) {
  write(5);
  VolumeReader reader = VolumeReader::open(folder_.path());
  const SourceInfo source = reader.source();
  EXPECT_EQ(source.format, "DICOM series");
  EXPECT_TRUE(source.has_geometry);
  EXPECT_EQ(source.voxel_type, VoxelType::int16);
  ASSERT_EQ(source.frames.size(), 5U);
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_EQ(source.frames[n].file, slice(static_cast<int>(n)));
    EXPECT_EQ(source.frames[n].sop_instance_uid, "2.25." + std::to_string(100 + n));
    EXPECT_EQ(source.frames[n].instance_number, 9 - static_cast<std::int64_t>(n));
  }
  const Geometry expected{.size = {4, 3, 5},
                          .spacing = {0.5, 0.8, 2.5},
                          .origin = {10.5, -20, 30},
                          .direction = {{{0.96, 0.28, 0}, {-0.224, 0.768, 0.6}, {0.168, -0.576, 0.8}}}};
  const Volume volume = read_volume(std::move(reader));
  EXPECT_EQ(volume.geometry.size, expected.size);
  EXPECT_TRUE(same_grid(volume.geometry, expected)) << describe(volume.geometry);
  for (int n = 0; n < 5; ++n) {
    for (int row = 0; row < 3; ++row) {
      for (int column = 0; column < 4; ++column) {
        EXPECT_EQ(volume.slice(n)[static_cast<std::size_t>(4 * row + column)],
                  static_cast<float>(200 * n + 20 * row + 2 * column - 1024));
      }
    }
  }
}

TEST_F(Dicom, Attributes) {
  write(2);
  EXPECT_EQ(VolumeReader::open(folder_.path()).source().attributes,
            (Attributes{{"SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"},
                        {"StudyDate", "20240229"},
                        {"StudyTime", "101500"},
                        {"AccessionNumber", "A17"},
                        {"Modality", "CT"},
                        {"Manufacturer", "Maker"},
                        {"ReferringPhysicianName", "Roe^Richard"},
                        {"StudyDescription", "Chest"},
                        {"SeriesDescription", "Lung 2.5"},
                        {"PatientName", "Doe^Jane"},
                        {"PatientID", "P1"},
                        {"PatientBirthDate", "19500101"},
                        {"PatientSex", "F"},
                        {"PatientAge", "074Y"},
                        {"BodyPartExamined", "CHEST"},
                        {"SliceThickness", "2.5"},
                        {"ConvolutionKernel", "B60f"},
                        {"StudyInstanceUID", "2.25.1"},
                        {"SeriesInstanceUID", "2.25.2"},
                        {"StudyID", "S1"},
                        {"SeriesNumber", "3"},
                        {"FrameOfReferenceUID", "2.25.4"},
                        {"RescaleType", "HU"}}));
}

TEST_F(Dicom, TheRescaleMayDifferFromSliceToSlice) {
  write(3);
  replace(1, test::ct_slice(1).put(0x00281053, "DS", "0.25").put(0x00281052, "DS", "-1000.5"));
  const Volume volume = read_volume(folder_.path());
  EXPECT_EQ(volume.slice(0)[1], -1022.0F);
  EXPECT_EQ(volume.slice(1)[1], 101 * 0.25F - 1000.5F);
  EXPECT_EQ(volume.slice(2)[1], -622.0F);
}

TEST_F(Dicom, RefusesAMissingOrZeroPixelSpacing) {
  write(3);
  const std::string expected =
      slice(1).string() +
      ": has no PixelSpacing (0028,0030) of two positive numbers, expected millimetres from pixel to "
      "pixel; export the series again with them";
  for (const char* spacing : {"", "0\\0.5", "0.5", "-1\\1", "a\\b"}) {
    replace(1, test::ct_slice(1).put(0x00280030, "DS", spacing));
    EXPECT_EQ(error(), expected) << spacing;
  }
  replace(1, test::ct_slice(1).remove(0x00280030));
  EXPECT_EQ(error(), expected);
}

TEST_F(Dicom, RefusesSlicesWithoutAPlace) {
  write(3);
  const std::string expected =
      slice(1).string() +
      ": does not say where in the patient it lies, expected ImagePositionPatient (0020,0032) and "
      "ImageOrientationPatient (0020,0037); export the series again with them";
  replace(1, test::ct_slice(1).remove(0x00200032));
  EXPECT_EQ(error(), expected);
  replace(1, test::ct_slice(1).put(0x00200032, "DS", "1\\2"));
  EXPECT_EQ(error(), expected);
  replace(1, test::ct_slice(1).remove(0x00200037));
  EXPECT_EQ(error(), expected);
}

TEST_F(Dicom, OneSliceAloneNeedsNoPlace) {
  write(1);
  EXPECT_TRUE(VolumeReader::open(folder_.path()).source().has_geometry);
  replace(0, test::ct_slice(0).remove(0x00200032));
  const VolumeReader reader = VolumeReader::open(folder_.path());
  EXPECT_FALSE(reader.source().has_geometry);
  EXPECT_EQ(reader.geometry().spacing[0], 0.5);
}

/// Volumes in ml are not known then (quantify::known_spacing).
TEST_F(Dicom, OneSliceWithoutThicknessHasTwoDimensions) {
  write(1);
  EXPECT_EQ(VolumeReader::open(folder_.path()).source().dimensions, 3);
  for (const char* thickness : {"", "0", "thin"}) {
    replace(0, test::ct_slice(0).put(0x00180050, "DS", thickness));
    EXPECT_EQ(VolumeReader::open(folder_.path()).source().dimensions, 2) << thickness;
  }
}

TEST_F(Dicom, RefusesASliceThatIsCutShort) {
  write(3);
  const std::string whole = test::ct_slice(2).bytes();
  test::save(slice(2), whole.substr(0, whole.size() - 1));
  EXPECT_EQ(error(), slice(2).string() + ": is cut short or damaged" + a_whole_one);
}

/// Where it is cut between two elements it is whole but has no pixels.
TEST_F(Dicom, RefusesASliceThatIsCutAnywhere) {
  write(4);
  for (const std::string& whole : {test::ct_slice(3).bytes(), deflated(test::ct_slice(3))}) {
    test::save(slice(3), whole);
    for (std::size_t size = whole.size() - 1; size >= 132; --size) {
      fs::resize_file(slice(3), size);
      const std::string found = error();
      ASSERT_TRUE(found == slice(3).string() + ": is cut short or damaged" + a_whole_one ||
                  found == slice(3).string() + ": has no pixels" + a_whole_one)
          << size << " " << found;
    }
  }
}

TEST_F(Dicom, NamesTheFilesThatItLeavesAside) {
  write(3);
  EXPECT_EQ(left_out(), "");
  test::save(folder_ / "notes.txt", "hello");
  test::save(folder_ / "empty.dcm", "");
  test::save(folder_ / ".hidden", "hello");
  const std::string report = test::ct_slice(5)
                                 .put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.11")  // Basic Text SR
                                 .remove(0x7fe00010)
                                 .bytes();
  test::save(folder_ / "report", report);
  test::save(folder_ / "DICOMDIR",
             test::DicomFile().put(0x00080016, "UI", "1.2.840.10008.1.3.10").put(0x00080018, "UI", "2.25.9").bytes());
  EXPECT_EQ(left_out(), "2 files are no DICOM files and were left out: " + (folder_ / "empty.dcm").string() + "; " +
                            (folder_ / "notes.txt").string());
  for (const char* name : {"a0", "a1", "a2", "a3", "a4", "a5"}) test::save(folder_ / name, "");
  EXPECT_TRUE(left_out().ends_with("a4 …")) << left_out();
  EXPECT_EQ(read_volume(folder_.path()).geometry.size[2], 3);
}

TEST_F(Dicom, LeavesColoursAndFramesWithoutPlacesOut) {
  write(4);
  std::string three_times;
  for (int n = 0; n < 3; ++n) three_times += std::string(4 * 3 * 2, static_cast<char>(n));
  replace(0, test::ct_slice(0)
                 .put(0x00280008, "IS", "3")
                 .put(0x7fe00010, "OW", three_times)
                 .put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7.3"));  // Multi-frame Grayscale Word
  EXPECT_EQ(VolumeReader::open(folder_.path()).source().frames.size(), 3U);
  replace(0, test::ct_slice(0)
                 .put(0x00280002, 3)
                 .put(0x00280004, "CS", "RGB")
                 .put(0x00280006, 0)
                 .put(0x00280100, 8)
                 .put(0x00280101, 8)
                 .put(0x00280102, 7)
                 .put(0x00280103, 0)
                 .put(0x7fe00010, "OW", std::string(4 * 3 * 3, '\1')));
  EXPECT_EQ(VolumeReader::open(folder_.path()).source().frames.size(), 3U);
}

/// Some CTs are stored to be shown dark on bright: that is no matter of their values.
TEST_F(Dicom, ValuesDoNotDependOnHowTheyAreShown) {
  write(3);
  const Volume plain = read_volume(folder_.path());
  for (int n = 0; n < 3; ++n) replace(n, test::ct_slice(n).put(0x00280004, "CS", "MONOCHROME1"));
  EXPECT_EQ(read_volume(folder_.path()).voxels, plain.voxels);
}

TEST_F(Dicom, RefusesAnImageOfAnotherSizeThanTheHeader) {
  for (const char* name : {"jpeg_lossless", "jpeg_baseline", "jpeg_ls", "rle"}) {
    const auto original = fs::directory_iterator(test::repository_file("tests/data/volume/dicom") / name)->path();
    std::string bytes = test::file_bytes(original);
    const std::size_t rows = bytes.find(std::string_view("\x28\0\x10\0US\2\0", 8)) + 8;
    ASSERT_EQ(bytes[rows], 11) << name;
    bytes[rows] = 12;
    test::save(folder_ / "image.dcm", bytes);
    EXPECT_TRUE(error().starts_with((folder_ / "image.dcm").string() + ": its pixels cannot be decoded (")) << error();
  }
}

TEST_F(Dicom, NamesATransferSyntaxThatItDoesNotKnow) {
  write(2);
  const auto file = test::ct_slice(1).remove(0x7fe00010);
  const std::string compressed(
      "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0\2\0\0\0\xff\x4f\xfe\xff\xdd\xe0\0\0\0"
      "\0",
      38);
  test::save(slice(1), file.head("1.2.840.10008.1.2.4.201") + file.data_set() + compressed);  // HTJ2K
  EXPECT_EQ(error(),
            slice(1).string() +
                ": is compressed by Unknown Transfer Syntax (1.2.840.10008.1.2.4.201), expected no compression, "
                "deflate, RLE, JPEG, JPEG-LS or JPEG 2000; convert it first");
}

TEST_F(Dicom, ReadsDeflatedFiles) {
  write(3);
  const Volume plain = read_volume(folder_.path());
  for (int n = 0; n < 3; ++n) test::save(slice(n), deflated(test::ct_slice(n)));
  EXPECT_EQ(error(), "");
  EXPECT_EQ(read_volume(folder_.path()).voxels, plain.voxels);
}

TEST_F(Dicom, ReadsOtherEncodings) {
  write(4);
  const Volume plain = read_volume(folder_.path());
  const auto file = test::ct_slice(0);
  test::save(slice(0), file.head("1.2.840.10008.1.2") + file.data_set(false));
  test::save(slice(1), test::ct_slice(1).data_set());  // without preamble and mark
  const std::string words = test::ct_slice(2).bytes();
  const std::size_t at = words.find(std::string_view("\x10\0\x10\0", 4));  // before the patient
  // A sequence of one item of one element, none of them with a length.
  const std::string_view sequence(
      "\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
      "\x08\0\x55\x11UI\4\0002.3\0\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0",
      48);
  test::save(slice(2), words.substr(0, at).append(sequence) + words.substr(at));
  test::save(slice(3), test::ct_slice(3).bytes() + std::string(16, '\0'));
  EXPECT_EQ(error(), "");
  EXPECT_EQ(read_volume(folder_.path()).voxels, plain.voxels);
  test::save(slice(2), words.substr(0, at).append(sequence.substr(0, 40)) + words.substr(at));
  EXPECT_EQ(error(), slice(2).string() + ": is cut short or damaged" + a_whole_one);
}

class RealDicom : public testing::Test {
 protected:
  static fs::path series() { return test::development_data("dicom/chest-64"); }
};

TEST_F(RealDicom, SeriesEqualsTheVolumeThatWasMadeFromIt) {
  PULMOSEG_REQUIRE_DATA("dicom/chest-64");
  PULMOSEG_REQUIRE_DATA("hu/ct-64.nrrd");
  VolumeReader reader = VolumeReader::open(series());
  const SourceInfo source = reader.source();
  const Volume from_dicom = read_volume(std::move(reader));
  const Volume from_nrrd = read_volume(test::development_data("hu/ct-64.nrrd"));
  EXPECT_EQ(from_dicom.voxels, from_nrrd.voxels);
  EXPECT_TRUE(same_grid(from_dicom.geometry, from_nrrd.geometry));
  // SimpleITK 2.5.7, ImageSeriesReader:
  EXPECT_NEAR(from_dicom.geometry.spacing[2], 3.9873371794871795, 1e-9);
  EXPECT_NEAR(from_dicom.geometry.origin[2], -360.256, 1e-9);

  ASSERT_EQ(source.frames.size(), 79U);
  EXPECT_TRUE(source.frames.front().sop_instance_uid.starts_with("1.2.826.0.1.3680043.2.1125."));
  EXPECT_EQ(source.frames.front().file.filename(), "IMG0001.dcm");
  EXPECT_EQ(source.attributes.at("Modality"), "CT");
  EXPECT_FALSE(source.attributes.at("SeriesInstanceUID").empty());
}

/// Writes the series as a mask in two formats and expects the grid and the voxels back.
void expect_masks_on_the_grid_of(const fs::path& series) {
  const test::TemporaryFolder folder;
  for (const char* name : {"mask.nii.gz", "mask.nrrd"}) {
    VolumeReader reader = VolumeReader::open(series);
    VolumeWriter writer(folder / name, reader.source(), VoxelType::int16);
    AxialSlice slice;
    while (reader.next(slice)) writer.write(slice.index, slice.pixels);
    writer.commit();
    const Volume mask = read_volume(folder / name), image = read_volume(series);
    EXPECT_EQ(mask.voxels, image.voxels);
    EXPECT_TRUE(same_grid(mask.geometry, image.geometry));
  }
}

TEST_F(Dicom, MaskInAnotherFormatLiesOnTheGridOfTheSeries) {
  write(4);
  expect_masks_on_the_grid_of(folder_.path());
}

TEST_F(RealDicom, MaskInAnotherFormatLiesOnTheGridOfTheSeries) {
  PULMOSEG_REQUIRE_DATA("dicom/chest-64");
  expect_masks_on_the_grid_of(series());
}

}  // namespace
}  // namespace pulmoseg::volume
