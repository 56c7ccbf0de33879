// A segmentation as DCMTK reads it back: every frame in its place, every bit, every reference.

#include <fmt/format.h>

#include "objects.hpp"
#include "pulmoseg/base/error.hpp"
#include "support/contains.hpp"

namespace pulmoseg {
namespace {

using SegmentationTest = Objects;

TEST_F(SegmentationTest, FramesLieOnTheirSlices) {
  const auto from = source();
  write_segmentation({.source = from, .algorithm = algorithm});
  DcmDataset& seg = load(folder_ / "seg.dcm");
  EXPECT_EQ(text(seg, DCM_NumberOfFrames), "10");
  EXPECT_EQ(text(seg, DCM_FrameOfReferenceUID), "2.25.4");
  EXPECT_EQ(text(seg, DCM_StudyInstanceUID), "2.25.1");
  EXPECT_EQ(text(seg, DCM_PatientName), "Doe^Jane");
  EXPECT_EQ(text(seg, DCM_PatientAge), "074Y");
  EXPECT_EQ(text(seg, DCM_InstitutionName), "");
  EXPECT_EQ(text(seg, DCM_PixelSpacing), "0.8\\0.5");
  EXPECT_EQ(text(seg, DCM_SpacingBetweenSlices).substr(0, 3), "2.5");
  for (int n = 0; n < 2 * slices; ++n) {
    // The file of slice n is known: its position, its instance (support/dicom.cpp).
    const int slice = n % slices;
    DcmItem& frame = item_of(seg, DCM_PerFrameFunctionalGroupsSequence, n);
    for (int c = 0; c < 3; ++c) {
      Float64 position = 0;
      item_of(frame, DCM_PlanePositionSequence).findAndGetFloat64(DCM_ImagePositionPatient, position, c);
      const double expected = c == 0 ? 10.5 + 0.42 * slice : c == 1 ? -20 - 1.44 * slice : 30 + 2.0 * slice;
      EXPECT_NEAR(position, expected, 1e-9) << n;
    }
    EXPECT_EQ(text(frame, DCM_ReferencedSOPInstanceUID), fmt::format("2.25.{}", 100 + slice));
    EXPECT_EQ(text(frame, DCM_ReferencedSegmentNumber), n < slices ? "1" : "2");
  }
  for (int slice = 0; slice < slices; ++slice) {
    DcmItem& series = item_of(seg, DCM_ReferencedSeriesSequence);
    EXPECT_EQ(text(series, DCM_SeriesInstanceUID), "2.25.2");
    EXPECT_EQ(text(item_of(series, DCM_ReferencedInstanceSequence, slice), DCM_ReferencedSOPInstanceUID),
              fmt::format("2.25.{}", 100 + slice));
  }
}

TEST_F(SegmentationTest, BitsAreTheMasksAcrossFrameBorders) {
  const auto from = source();
  ASSERT_NE(from.stored_geometry.size[0] * from.stored_geometry.size[1] % 8, 0) << "frames begin inside of bytes";
  write_segmentation({.source = from, .algorithm = algorithm});
  DcmDataset& seg = load(folder_ / "seg.dcm");
  const Uint8* bytes = nullptr;
  unsigned long count = 0;
  ASSERT_TRUE(seg.findAndGetUint8Array(DCM_PixelData, bytes, &count).good());
  EXPECT_EQ(count, 16U) << "10 frames of 12 bits, to an even number";
  const auto grid = volume::reorder(from.stored_geometry, from.order);
  std::size_t bit = 0;
  for (int segment = 0; segment < 2; ++segment) {
    for (int n = 0; n < slices; ++n) {
      for (int row = 0; row < 3; ++row) {
        for (int column = 0; column < 4; ++column, ++bit) {
          // Where the stored voxel is among the canonical ones, by its place in the patient.
          const auto index = volume::point_to_index(
              grid, volume::index_to_point(from.stored_geometry, {double(column), double(row), double(n)}));
          const auto k = std::lround(index[2]);
          const auto mask = segment == 0 ? lesion(grid, k) : lung(grid, k);
          const auto pixel = std::lround(index[1]) * grid.size[0] + std::lround(index[0]);
          EXPECT_EQ((bytes[bit / 8] >> (bit % 8)) & 1, mask[static_cast<std::size_t>(pixel)]) << bit;
        }
      }
    }
  }
}

TEST_F(SegmentationTest, ProbabilitiesAreBytes) {
  const auto from = source();
  dicom::SegmentationWriter writer(folder_ / "p.dcm", {.source = from, .algorithm = algorithm},
                                   {volume::lesion_segment()}, dicom::SegmentationKind::probability);
  for (int k = 0; k < slices; ++k) writer.write(k, std::vector<float>(12, static_cast<float>(k) / 4));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "p.dcm"));
  writer.commit();
  DcmDataset& seg = load(folder_ / "p.dcm");
  EXPECT_EQ(text(seg, DCM_SegmentationFractionalType), "PROBABILITY");
  EXPECT_EQ(text(seg, DCM_ContentLabel), "LESION_PROBABLE");
  const Uint8* bytes = nullptr;
  unsigned long count = 0;
  ASSERT_TRUE(seg.findAndGetUint8Array(DCM_PixelData, bytes, &count).good());
  ASSERT_EQ(count, 60U);
  const bool upwards = !from.order.flipped[2];
  for (int n = 0; n < slices; ++n)
    EXPECT_EQ(bytes[12 * n], std::lround(255.0 * (upwards ? n : slices - 1 - n) / 4)) << n;
}

TEST_F(SegmentationTest, SaysWhatItCannotLieOn) {
  auto from = source();
  from.frames.clear();
  try {
    write_segmentation({.source = from, .algorithm = algorithm});
    FAIL();
  } catch (const Error& error) {
    EXPECT_CONTAINS(error.what(), "expected a DICOM series");
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "seg.dcm"));
}

TEST_F(SegmentationTest, RefusesASourceThatItCannotName) {
  const auto expect_refused = [&](const volume::SourceInfo& from, const char* why) {
    try {
      write_segmentation({.source = from, .algorithm = algorithm});
      FAIL() << why;
    } catch (const Error& error) {
      EXPECT_CONTAINS(error.what(), why);
    }
  };
  auto twice = source();
  twice.frames[3].sop_instance_uid = twice.frames[1].sop_instance_uid;
  expect_refused(twice, "has the SOPInstanceUID of");
  auto nameless = source();
  nameless.frames[3].sop_instance_uid.clear();
  expect_refused(nameless, "has no SOPInstanceUID");
  const auto file = folder_ / "ct" / test::ct_slice_name(0);
  test::write_bytes(file, test::ct_slice(0).remove(0x0020000d).bytes());
  expect_refused(volume::VolumeReader::open(file).source(), "has no StudyInstanceUID");
}

TEST_F(SegmentationTest, SaysWhatItsSourceSaysOfItself) {
  // Lossy, without a ratio; a trial; GB18030, where a sign's second byte may be a backslash, before a blank.
  const std::string name = "Wang^\x81\x5c  \x81\x5c";
  auto slice = test::ct_slice(0);
  test::write_bytes(folder_ / "ct" / test::ct_slice_name(0), slice.put(0x00080005, "CS", "GB18030")
                                                                 .put(0x00102180, "SH", name)
                                                                 .put(0x00120020, "LO", "TRIAL-1")
                                                                 .put(0x00120040, "LO", "Subject 7")
                                                                 .put(0x00282110, "CS", "01")
                                                                 .bytes());
  const auto from = source();
  dicom::Algorithm of_another_name = algorithm;
  of_another_name.model = "modèle.onnx";
  write_segmentation({.source = from, .algorithm = of_another_name});
  DcmDataset& seg = load(folder_ / "seg.dcm");
  EXPECT_EQ(text(seg, DCM_SpecificCharacterSet), "GB18030");
  EXPECT_NE(read_file(folder_ / "seg.dcm").find(name), std::string::npos);
  EXPECT_EQ(text(seg, DCM_ClinicalTrialProtocolID), "TRIAL-1");
  EXPECT_EQ(text(seg, DCM_ClinicalTrialSubjectID), "Subject 7");
  EXPECT_EQ(text(seg, DCM_LossyImageCompression), "01");
  EXPECT_CONTAINS(text(seg, DCM_AlgorithmParameters), "mod?le.onnx");
  EXPECT_EQ(text(seg, DCM_ContentLabel), "LESION_LUNG");
}

TEST_F(SegmentationTest, AMissingSliceLeavesNothing) {
  const auto from = source();
  dicom::SegmentationWriter writer(folder_ / "seg.dcm", {.source = from, .algorithm = algorithm},
                                   {volume::lesion_segment()}, dicom::SegmentationKind::binary);
  writer.write(1, std::vector<std::uint8_t>(12));
  EXPECT_THROW(writer.commit(), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "seg.dcm"));
}

TEST_F(SegmentationTest, ASingleSliceIsAsThickAsItSays) {
  const auto from = volume::VolumeReader::open(folder_ / "ct" / test::ct_slice_name(3)).source();
  write_segmentation({.source = from, .algorithm = algorithm});
  EXPECT_EQ(text(load(folder_ / "seg.dcm"), DCM_SliceThickness), "2.5");
  if (!has_dciodvfy()) GTEST_SKIP() << "needs dciodvfy (Debian's dicom3tools)";
  EXPECT_EQ(errors_by_dciodvfy(folder_ / "seg.dcm", folder_ / "log"), "");
}

TEST_F(SegmentationTest, DciodvfyFindsNoError) {
  if (!has_dciodvfy()) GTEST_SKIP() << "needs dciodvfy (Debian's dicom3tools)";
  const auto from = source();
  write_segmentation({.source = from, .algorithm = algorithm});
  EXPECT_EQ(errors_by_dciodvfy(folder_ / "seg.dcm", folder_ / "log"), "");
  write_segmentation({.source = from, .algorithm = algorithm, .anonymity = {.deidentify = true}});
  EXPECT_EQ(errors_by_dciodvfy(folder_ / "seg.dcm", folder_ / "log"), "");
}

}  // namespace
}  // namespace pulmoseg
