// Which series is taken, from which kinds of input, and what is done about slices that are missing or too many.

#include "pulmoseg/volume/dicom_series.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

class DicomSeriesTest : public testing::Test {
 protected:
  void write(int count) { test::write_ct_series(folder_.path(), count); }
  void put(const std::string& name, const test::DicomFile& file) { test::save(folder_ / name, file.bytes()); }
  std::string error(const std::string& series = "") const {
    try {
      VolumeReader::open(folder_.path(), OpenOptions{.series = series});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  SourceInfo source(const std::string& series = "") const {
    return VolumeReader::open(folder_.path(), OpenOptions{.series = series}).source();
  }
  std::string note(const std::string& code) const {
    const SourceInfo info = source();
    const auto found = std::ranges::find(info.notes, code, &Note::code);
    return found == info.notes.end() ? "" : found->text;
  }

  test::TemporaryFolder folder_;
};

/// Slice `n` in another series.
test::DicomFile other(int n, const std::string& uid, const std::string& number, const std::string& description) {
  auto file = test::ct_slice(n);
  file.put(0x0020000e, "UI", uid).put(0x00200011, "IS", number).put(0x0008103e, "LO", description);
  return file.put(0x00080018, "UI", fmt::format("{}.{}", uid, n));
}

TEST_F(DicomSeriesTest, LocalizersReportsAndDerivedSeriesAreLeftOutWithAWord) {
  write(4);
  put("scout", other(0, "2.25.70", "1", "Topogram").put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER"));
  for (int n = 0; n < 3; ++n)
    put(fmt::format("mpr{}", n), other(n, "2.25.71", "5", "Cor MPR").put(0x00080008, "CS", "DERIVED\\SECONDARY\\MPR"));
  put("seg", other(0, "2.25.72", "6", "Lesions").put(0x00080060, "CS", "SEG"));
  put("report", other(0, "2.25.73", "7", "Dose")
                    .put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.67")
                    .put(0x00080060, "CS", "SR")
                    .remove(0x7fe00010));
  put("shot", other(0, "2.25.74", "8", "Screen").put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7").remove(0x00200032));
  EXPECT_EQ(source().frames.size(), 4U);
  const std::string text = note("series_left_out");
  EXPECT_CONTAINS(text, "5 series left out");
  EXPECT_CONTAINS(text, "1 \"Topogram\": 1 slice,");
  EXPECT_CONTAINS(text, "localizer, 2.25.70");
  EXPECT_CONTAINS(text, "derived (DERIVED\\SECONDARY\\MPR), 2.25.71");
  EXPECT_CONTAINS(text, "modality SEG");
  EXPECT_CONTAINS(text, "XRayRadiationDoseSR");
  EXPECT_CONTAINS(text, "secondary capture");
}

TEST_F(DicomSeriesTest, ALocalizerMayShareTheUidOfAVolume) {
  write(3);
  put("scout", test::ct_slice(7).put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER"));
  EXPECT_EQ(source().frames.size(), 3U);
  EXPECT_EQ(source("2.25.2").frames.size(), 3U);
}

TEST_F(DicomSeriesTest, SeveralVolumesAreListedAndOneCanBeChosen) {
  write(3);
  for (int n = 0; n < 4; ++n) put(fmt::format("soft{}", n), other(n, "2.25.80", "4", "Soft 2.5"));
  EXPECT_EQ(error(),
            folder_.path().string() +
                ": holds 2 CT series: 3 \"Lung 2.5\": 3 slices, 0.5x0.8x2.5 mm, 2.25.2; 4 \"Soft 2.5\": 4 slices, "
                "0.5x0.8x2.5 mm, 2.25.80; choose one with --series NUMBER, UID or a part of its description");
  for (const char* wanted : {"4", "2.25.80", "soft"}) EXPECT_EQ(source(wanted).frames.size(), 4U) << wanted;
  EXPECT_EQ(source("Lung").frames.size(), 3U);
  EXPECT_CONTAINS(error("2.5"), "--series 2.5 stands for 2 of its series");
  EXPECT_CONTAINS(error("brain"), "stands for none of its series");
}

TEST_F(DicomSeriesTest, ADerivedSeriesIsTakenWhereThereIsNoOther) {
  for (int n = 0; n < 3; ++n)
    put(fmt::format("mpr{}", n), test::ct_slice(n).put(0x00080008, "CS", "DERIVED\\SECONDARY\\MPR"));
  EXPECT_EQ(source().frames.size(), 3U);
  EXPECT_CONTAINS(note("not_an_original_volume"), "MPR");
}

TEST_F(DicomSeriesTest, TheImageTypesOfADerivedSeriesMayDiffer) {
  for (int n = 0; n < 4; ++n) {
    const std::string type = fmt::format("DERIVED\\SECONDARY\\AXIAL\\{}", n % 2);
    put(fmt::format("{}", n), test::ct_slice(n).put(0x00080008, "CS", type));
  }
  EXPECT_EQ(source().frames.size(), 4U);
}

TEST_F(DicomSeriesTest, WhatIsNotReadIsStillListed) {
  write(3);
  auto mask = other(0, "2.25.72", "6", "Lesions").put(0x00080060, "CS", "SEG");
  put("mask", mask.put(0x00280100, 1).put(0x00280101, 1).put(0x00280102, 0).put(0x7fe00010, "OB", "\1\1"));
  put("palette", other(0, "2.25.75", "9", "Map").put(0x00280004, "CS", "PALETTE COLOR"));
  EXPECT_EQ(source().frames.size(), 3U);
  EXPECT_CONTAINS(note("series_left_out"), "6 \"Lesions\": 0 slices, modality SEG, 2.25.72");
  EXPECT_CONTAINS(note("series_left_out"), "colour images, 2.25.75");
  EXPECT_CONTAINS(error("Lesions"), "holds no images, expected a CT series");
  EXPECT_CONTAINS(error("Map"), "palette: is a colour image");
}

TEST_F(DicomSeriesTest, ALinkToNowhereIsNotPassedOver) {
  write(3);
  fs::create_symlink(folder_ / "gone", folder_ / "slice4.dcm");
  EXPECT_EQ(error(), (folder_ / "slice4.dcm").string() + ": cannot be read: No such file or directory");
  fs::remove(folder_ / "slice4.dcm");
  fs::create_symlink(folder_ / "circle", folder_ / "circle");
  EXPECT_EQ(error(), (folder_ / "circle").string() + ": cannot be read: Too many levels of symbolic links");
}

TEST_F(DicomSeriesTest, SeriesInFoldersOfTheirOwnAreFound) {
  fs::create_directories(folder_ / "DICOM/SER1");
  fs::create_directories(folder_ / "DICOM/SER2");
  put("DICOM/SER1/IM0", other(0, "2.25.70", "1", "Topogram").put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER"));
  for (int n = 0; n < 3; ++n) put(fmt::format("DICOM/SER2/IM{}", n), test::ct_slice(n));
  EXPECT_EQ(source().frames.size(), 3U);
  const auto found = find_dicom_series(folder_.path());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].kind, DicomSeriesKind::volume);
  EXPECT_EQ(found[0].files.size(), 3U);
  EXPECT_EQ(found[1].why_not, "localizer");
}

TEST_F(DicomSeriesTest, AListOfFilesIsASeries) {
  write(5);
  std::vector<fs::path> files;
  for (const int n : {3, 1, 2}) files.push_back(folder_ / test::ct_slice_name(n));
  const auto reader = VolumeReader::open(files, OpenOptions{});
  EXPECT_EQ(reader.source().frames.size(), 3U);
  EXPECT_EQ(reader.source().frames.front().file, files[1]);
  EXPECT_EQ(VolumeReader::open(files[0]).geometry().size[2], 1);
}

TEST_F(DicomSeriesTest, TheSameSliceTwiceIsTakenOnce) {
  write(4);
  put("copy", test::ct_slice(1));
  put("again", test::ct_slice(2).put(0x00080018, "UI", "2.25.999"));
  EXPECT_EQ(source().frames.size(), 4U);
  EXPECT_CONTAINS(note("duplicate_slices"), "2 slices are there twice");
  EXPECT_CONTAINS(note("duplicate_slices"), "copy");
}

TEST_F(DicomSeriesTest, TwoImagesInOnePlaceAreRefused) {
  write(4);
  put("copy", test::ct_slice(1).put(0x00281052, "DS", "-1000"));
  EXPECT_CONTAINS(error(), "IMG8.dcm and " + (folder_ / "copy").string() + " are two different images in one place,");
}

/// A scan without and one with contrast medium, or the phases of a breath, that share a series.
TEST_F(DicomSeriesTest, SeveralStacksInOnePlaceAreRefusedWithWhatTellsThemApart) {
  const std::vector<std::pair<std::uint32_t, std::string>> cases{
      {0x00200100, "TemporalPositionIdentifier"}, {0x00200012, "AcquisitionNumber"}, {0x00181210, "ConvolutionKernel"}};
  for (const auto& [tag, keyword] : cases) {
    for (int n = 0; n < 4; ++n) {
      put(test::ct_slice_name(n), test::ct_slice(n).put(tag, "LO", "1"));
      put(fmt::format("second{}", n), test::ct_slice(n).put(tag, "LO", "2").put(0x00281052, "DS", "-1000"));
    }
    EXPECT_CONTAINS(error(),
                    " are two different images in one place (" + keyword + " 1 and 2), expected one CT volume");
  }
}

TEST_F(DicomSeriesTest, MissingSlicesAreCountedAndPlaced) {
  write(8);
  fs::remove(folder_ / test::ct_slice_name(3));
  fs::remove(folder_ / test::ct_slice_name(4));
  EXPECT_EQ(
      error(),
      folder_.path().string() + ": 2 slices are probably missing: between " + (folder_ / "IMG7.dcm").string() +
          " at 42.284 mm and " + (folder_ / "IMG4.dcm").string() +
          " at 49.784 mm are 7.5 mm, between others 2.5 mm, expected evenly spaced slices; copy or export the whole "
          "series again");
}

TEST_F(DicomSeriesTest, UnevenStepsAndSidewaysShiftsAreRefused) {
  write(6);
  const std::string name = test::ct_slice_name(2);
  put(name, test::ct_slice(2).put(0x00200032, "DS", "11.508\\-23.456\\34.8"));  // 1 mm along the normal
  EXPECT_CONTAINS(error(), "has uneven steps");
  EXPECT_CONTAINS(error(), name);
  put(name, test::ct_slice(2).put(0x00200032, "DS", "12.34\\-22.6\\34"));  // 1 mm along the rows
  EXPECT_CONTAINS(error(), name + ": lies 1");
}

TEST_F(DicomSeriesTest, PositionsThatAreRoundedAreEven) {
  for (int n = 0; n < 9; ++n) {
    const auto rounded = fmt::format("{:.1f}\\{:.1f}\\{:.1f}", 10.5 + 0.42 * n, -20 - 1.44 * n, 30 + 2.0 * n);
    put(test::ct_slice_name(n), test::ct_slice(n).put(0x00200032, "DS", rounded));
  }
  EXPECT_EQ(error(), "");
}

TEST_F(DicomSeriesTest, SlicesThatDoNotBelongTogetherAreRefused) {
  const auto refused = [&](const test::DicomFile& file, const std::string& why) {
    write(4);
    put(test::ct_slice_name(2), file);
    EXPECT_CONTAINS(error(), test::ct_slice_name(2) + ": " + why);
  };
  refused(test::ct_slice(2).put(0x00200052, "UI", "2.25.99"), "has another frame of reference");
  refused(test::ct_slice(2).put(0x00280030, "DS", "0.8\\0.52"), "has another size, pixel spacing or orientation");
  refused(test::ct_slice(2).put(0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
          "has another size, pixel spacing or orientation");
  refused(test::ct_slice(2).put(0x00280010, 2), "has another size, pixel spacing or orientation");
  refused(test::ct_slice(2).remove(0x00281052).remove(0x00281053), "has no RescaleSlope and RescaleIntercept");
  refused(test::ct_slice(2).put(0x00281053, "DS", "0"), "has the RescaleSlope 0");
  refused(test::ct_slice(2).put(0x00281052, "DS", "x"), "has the RescaleIntercept \"x\"");
}

TEST_F(DicomSeriesTest, ADamagedFileOfAnotherSeriesDoesNotMatter) {
  write(3);
  const std::string whole = other(0, "2.25.80", "4", "Soft").bytes();
  test::save(folder_ / "cut", whole.substr(0, whole.size() - 4));
  EXPECT_EQ(source().frames.size(), 3U);
  test::save(folder_ / "cut", whole.substr(0, 400));  // before it says which
  EXPECT_CONTAINS(error(), "cut: is cut short or damaged");
}

TEST_F(DicomSeriesTest, NoTextOfAFileGivesTheTerminalOrders) {
  write(3);
  for (int n = 0; n < 3; ++n) put(fmt::format("other{}", n), other(n, "2.25.80", "4", "\x1b[2JSoft\n"));
  EXPECT_CONTAINS(error(), "4 \"?[2JSoft?\": 3 slices");
  put("other1", other(1, "2.25.80", "4", "Soft").put(0x00281053, "DS", "\x1b[2J"));
  EXPECT_CONTAINS(error("4"), "other1: has the RescaleSlope \"?[2J\"");
}

TEST_F(DicomSeriesTest, NamesInOtherCharacterSetsBecomeUtf8) {
  for (int n = 0; n < 2; ++n)
    put(test::ct_slice_name(n),
        test::ct_slice(n).put(0x00080005, "CS", "ISO_IR 100").put(0x00100010, "PN", "M\xfcller^J"));
  EXPECT_EQ(source().attributes.at("PatientName"), "M\xc3\xbcller^J");
}

}  // namespace
}  // namespace pulmoseg::volume
