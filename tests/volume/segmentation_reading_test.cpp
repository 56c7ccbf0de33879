// Masks out of DICOM Segmentations and .seg.nrrd files, voxel for voxel as highdicom and pynrrd wrote them
// (tests/oracle/segmentations.py).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/segmentation_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
using Labels = std::vector<std::uint8_t>;

fs::path file(const std::string& name) { return test::repository_file("tests/data/volume/segmentations") / name; }

json golden() { return json::parse(std::ifstream(file("golden.json"))); }

Labels mask_from(const json& runs, std::size_t voxels) {
  Labels mask(voxels);
  for (std::size_t i = 0; i + 1 < runs.size(); i += 2)
    std::fill(mask.begin() + runs[i].get<std::ptrdiff_t>(), mask.begin() + runs[i + 1].get<std::ptrdiff_t>(), 1);
  return mask;
}

Labels read(const fs::path& mask, MaskKind kind, const fs::path& scan) {
  const VolumeReader reader = VolumeReader::open(scan);
  Labels labels = read_mask_on_grid(mask, kind, reader.source(), reader.geometry());
  for (std::uint8_t& label : labels) label = label != 0;
  return labels;
}

std::string refusal(const fs::path& mask, MaskKind kind = MaskKind::lesion, const fs::path& scan = file("plain")) {
  try {
    read(mask, kind, scan);
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    return line;
  }
  return "";
}

TEST(SegmentationFiles, AreReadVoxelForVoxel) {
  const json document = golden();
  ASSERT_GE(document["cases"].size(), 17u);
  for (const json& one : document["cases"]) {
    SCOPED_TRACE(one["name"]);
    const fs::path mask = file(one["name"]), scan = file(one["scan"]);
    const std::size_t voxels = 11 * 9 * 8;
    EXPECT_EQ(read(mask, MaskKind::lesion, scan), mask_from(one["lesion"], voxels));
    if (one["lung"].is_null())
      EXPECT_CONTAINS(refusal(mask, MaskKind::lung, scan), "none is coded or named as the lung");
    else
      EXPECT_EQ(read(mask, MaskKind::lung, scan), mask_from(one["lung"], voxels));
  }
}

/// Without the scan's series to go by, the frames themselves say how far apart they are.
TEST(SegmentationFiles, GapsBetweenFramesAreEmptySlices) {
  const VolumeReader reader = VolumeReader::open_mask(file("binary_plain.dcm"), MaskKind::lesion);
  EXPECT_EQ(reader.geometry().size, (std::array<std::int64_t, 3>{11, 9, 6}));  // slices 1 to 6 have lung
  EXPECT_NEAR(reader.geometry().spacing[2], 2.5, 1e-9);
  const VolumeReader sparse = VolumeReader::open_mask(file("sparse.dcm"), MaskKind::lesion);  // slices 2, 5 and 6
  EXPECT_EQ(sparse.geometry().size, (std::array<std::int64_t, 3>{11, 9, 5}));
  EXPECT_NEAR(sparse.geometry().spacing[2], 2.5, 1e-9);
}

TEST(SegmentationFiles, ASegmentIsChosenByItsNameOrNumber) {
  const fs::path mask = file("binary_plain.dcm");
  const auto chosen = [&](const std::string& choice) {
    return read(mask.string() + choice, MaskKind::lesion, file("plain"));
  };
  const Labels lesion = chosen(""), lung = read(mask, MaskKind::lung, file("plain"));
  EXPECT_NE(lesion, lung);
  EXPECT_EQ(chosen("#drawn"), lesion);
  EXPECT_EQ(chosen("#1"), lesion);
  EXPECT_EQ(chosen("#Both Lungs"), lung);
  EXPECT_EQ(chosen("#2#1"), lung);  // the lesion lies in the lung
  EXPECT_CONTAINS(
      refusal(mask.string() + "#liver"),
      "has the segments \"Drawn\" (1, Lesion), \"both lungs\" (2, Tissue): none is called \"liver\"; name the "
      "one that is meant by its name or number: '");
  EXPECT_CONTAINS(refusal(file("unnamed.dcm")), "\"Segment_1\" (1, Tissue): none is coded or named as a lesion");
  EXPECT_EQ(read(file("unnamed.dcm").string() + "#Segment_1", MaskKind::lesion, file("plain")), lesion);
}

TEST(SegmentationFiles, AFileWhoseNameHasTheSignIsFound) {
  const test::TemporaryFolder folder;
  fs::copy(file("layers.seg.nrrd"), folder / "a#1.seg.nrrd");
  const Labels lesion = read(file("layers.seg.nrrd"), MaskKind::lesion, file("plain"));
  EXPECT_EQ(read(folder / "a#1.seg.nrrd", MaskKind::lesion, file("plain")), lesion);
  EXPECT_EQ(read(folder / "a#1.seg.nrrd#Lung", MaskKind::lesion, file("plain")),
            read(file("layers.seg.nrrd"), MaskKind::lung, file("plain")));
  EXPECT_CONTAINS(refusal(folder / "b#1.seg.nrrd"), "b#1.seg.nrrd: no such file");
}

TEST(SegmentationFiles, SeveralSegmentsAsOneMaskAreNoted) {
  const VolumeReader scan = VolumeReader::open(file("plain"));
  const auto notes = [&](const std::string& mask, MaskKind kind) {
    return visit_mask_on_grid(file(mask), kind, scan.source(), scan.geometry(), [](auto, auto) {}).notes;
  };
  EXPECT_TRUE(notes("mixed.seg.nrrd", MaskKind::lesion).empty());
  const auto both = notes("mixed.seg.nrrd", MaskKind::lung);
  ASSERT_EQ(both.size(), 1u);
  EXPECT_EQ(both.front().code, "several_labels");
  EXPECT_EQ(both.front().text, "the lung mask is 2 segments of its file together: \"left lung\", \"right lung\"");
}

TEST(SegmentationFiles, LabelsWithoutNamesAreTakenTogetherWithANote) {
  const test::TemporaryFolder folder;
  test::RawNifti raw({3, 1, 2});
  raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 3, 0}}});
  test::save(folder / "mask.nii", raw.with(std::vector<std::int16_t>{0, 1, 2, 2, 0, 5}));
  const VolumeReader scan = VolumeReader::open(folder / "mask.nii");
  const auto reading =
      visit_mask_on_grid(folder / "mask.nii", MaskKind::lesion, scan.source(), scan.geometry(), [](auto, auto) {});
  ASSERT_EQ(reading.notes.size(), 1u);
  EXPECT_EQ(reading.notes.front().text,
            "the lesion mask is 3 labels of its file together: 1, 2, 5; FILE#NUMBER takes one of them");
  const auto chosen = [&](const char* choice) {
    return read_mask_on_grid((folder / "mask.nii").string() + choice, MaskKind::lesion, scan.source(), scan.geometry());
  };
  EXPECT_EQ(chosen(""), (Labels{0, 1, 2, 2, 0, 5}));
  EXPECT_EQ(chosen("#2"), (Labels{0, 0, 2, 2, 0, 0}));
  EXPECT_EQ(chosen("#5#1"), (Labels{0, 1, 0, 0, 0, 5}));
  EXPECT_CONTAINS(refusal((folder / "mask.nii").string() + "#Lesion"), "names no segments, so that \"Lesion\" is none");
}

TEST(SegmentationFiles, AFolderWithOneSegmentationStandsForIt) {
  const test::TemporaryFolder folder;
  fs::copy(file("binary_plain.dcm"), folder / "one.dcm");
  const Labels lesion = read(folder.path(), MaskKind::lesion, file("plain"));
  EXPECT_EQ(lesion, read(file("binary_plain.dcm"), MaskKind::lesion, file("plain")));
  fs::copy(file("sparse.dcm"), folder / "two.dcm");
  EXPECT_CONTAINS(refusal(folder.path()), "holds several DICOM Segmentations, among them ");
}

TEST(SegmentationFiles, OfAnotherFrameOfReferenceAreRefused) {
  EXPECT_CONTAINS(refusal(file("binary_oblique.dcm")), "has another frame of reference than ");
}

TEST(SegmentationFiles, AreDescribed) {
  const auto dicom = describe_segmentation(file("binary_plain.dcm"));
  EXPECT_EQ(dicom.format, "DICOM Segmentation");
  ASSERT_EQ(dicom.segments.size(), 2u);
  EXPECT_EQ(dicom.segments[0].name, "Drawn");
  EXPECT_EQ(dicom.segments[0].type.value, "52988006");
  const auto nrrd = describe_segmentation(file("mixed.seg.nrrd"));
  EXPECT_EQ(nrrd.format, "NRRD segmentation");
  ASSERT_EQ(nrrd.segments.size(), 3u);
  EXPECT_EQ(nrrd.segments[2].layer, 1);
  EXPECT_EQ(nrrd.segments[2].type.meaning, "Tissue");
  EXPECT_EQ(nrrd.geometry.size, (std::array<std::int64_t, 3>{11, 9, 8}));
  EXPECT_EQ(describe_segmentation(file("plain") / "0.dcm").format, "");
}

/// A scan is no mask, and a segmentation is no scan.
TEST(SegmentationFiles, AreNoScans) {
  const std::string line = test::reading_error(file("binary_plain.dcm"));
  EXPECT_CONTAINS(line, "is a DICOM Segmentation (modality SEG), expected a CT series");
  EXPECT_CONTAINS(line, "pulmoseg quantify SCAN --lesion-mask");
}

/// Whatever bytes are wrong or missing: a mask or an Error of one line that names the file.
TEST(SegmentationFiles, DamagedOnesAreMasksOrErrors) {
  const test::TemporaryFolder folder;
  std::mt19937 random(13);
  const auto below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
  std::size_t refused = 0, tried = 0;
  const json document = golden();
  for (const json& one : document["cases"]) {
    const std::string name = one["name"], whole = test::file_bytes(file(name));
    for (int i = 0; i < 30; ++i, ++tried) {
      std::string bytes = whole;
      if (i % 5 == 0) bytes.resize(below(bytes.size()));
      for (int flips = i % 5 == 0 ? 0 : 1 << i % 6; flips > 0; --flips)
        bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8));
      test::save(folder / name, bytes);
      const std::string line = refusal(folder / name, MaskKind::lesion, file(one["scan"]));
      if (line.empty()) continue;
      ++refused;
      EXPECT_CONTAINS(line, name);
    }
    fs::remove(folder / name);
  }
  EXPECT_GT(refused, tried / 6);
}

}  // namespace
}  // namespace pulmoseg::volume
