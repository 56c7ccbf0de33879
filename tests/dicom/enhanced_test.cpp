// A multi-frame file as source, its frames in no order (made by tests/oracle/dicom.py): each frame of the segmentation names the
// frame that it lies on, and its mask is in that frame's place by the file's own functional groups.

#include <cmath>
#include <set>

#include "objects.hpp"

namespace pulmoseg {
namespace {

class EnhancedTest : public Objects {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "ct");
    std::filesystem::copy(test::repository_file("tests/data/volume/dicom/enhanced/frames.dcm"), folder_ / "ct");
    ASSERT_TRUE(ct_.loadFile((folder_ / "ct/frames.dcm").c_str()).good());
  }

  /// Of frame `number`, from 1, of the source.
  volume::Vector3 position(long number) {
    return numbers(item_of(*ct_.getDataset(), DCM_PerFrameFunctionalGroupsSequence, number - 1),
                   DCM_ImagePositionPatient);
  }

  static volume::Vector3 numbers(DcmItem& item, const DcmTagKey& tag, unsigned long first = 0) {
    volume::Vector3 values{};
    for (unsigned long c = 0; c < 3; ++c) item.findAndGetFloat64(tag, values[c], first + c, OFTrue);
    return values;
  }

  DcmFileFormat ct_;
};

TEST_F(EnhancedTest, FramesNameTheFramesThatTheyLieOn) {
  const auto from = source();
  write_report({.source = from, .algorithm = algorithm}, write_segmentation({.source = from, .algorithm = algorithm}));
  DcmDataset& seg = load(folder_ / "seg.dcm");
  std::vector<std::string> numbers_named;
  for (int n = 0; n < 2 * slices; ++n) {
    DcmItem& frame = item_of(seg, DCM_PerFrameFunctionalGroupsSequence, n);
    EXPECT_EQ(text(frame, DCM_ReferencedSOPClassUID), UID_EnhancedCTImageStorage);
    EXPECT_EQ(text(frame, DCM_ReferencedSOPInstanceUID), "2.25.600");
    numbers_named.push_back(text(frame, DCM_ReferencedFrameNumber));
    EXPECT_EQ(numbers(frame, DCM_ImagePositionPatient), position(std::stol(numbers_named.back()))) << n;
  }
  EXPECT_EQ(std::set(numbers_named.begin(), numbers_named.end()).size(), 5U);
  DcmItem& series = item_of(seg, DCM_ReferencedSeriesSequence);
  EXPECT_THROW(item_of(series, DCM_ReferencedInstanceSequence, 1), std::runtime_error) << "the file is named once";
  DcmItem& evidence = item_of(load(folder_ / "sr.dcm"), DCM_CurrentRequestedProcedureEvidenceSequence);
  DcmItem& sources = item_of(evidence, DCM_ReferencedSeriesSequence, 1);
  EXPECT_EQ(text(sources, DCM_ReferencedSOPInstanceUID), "2.25.600");
  EXPECT_THROW(item_of(sources, DCM_ReferencedSOPSequence, 1), std::runtime_error) << "here too";
}

TEST_F(EnhancedTest, MasksAreInPlace) {
  const auto from = source();
  write_segmentation({.source = from, .algorithm = algorithm});
  DcmDataset& seg = load(folder_ / "seg.dcm");
  const Uint8* bytes = nullptr;
  ASSERT_TRUE(seg.findAndGetUint8Array(DCM_PixelData, bytes).good());
  const auto grid = volume::reorder(from.stored_geometry, from.order);
  DcmItem& shared = item_of(*ct_.getDataset(), DCM_SharedFunctionalGroupsSequence);
  const auto along_row = numbers(shared, DCM_ImageOrientationPatient),
             along_column = numbers(shared, DCM_ImageOrientationPatient, 3);
  const auto spacing = numbers(shared, DCM_PixelSpacing);
  std::size_t bit = 0;
  for (int n = 0; n < 2 * slices; ++n) {
    DcmItem& frame = item_of(seg, DCM_PerFrameFunctionalGroupsSequence, n);
    const auto first = position(std::stol(text(frame, DCM_ReferencedFrameNumber)));
    for (int row = 0; row < 33; ++row) {
      for (int column = 0; column < 35; ++column, ++bit) {
        volume::Vector3 point = first;
        for (std::size_t c = 0; c < 3; ++c)
          point[c] += column * spacing[1] * along_row[c] + row * spacing[0] * along_column[c];
        const auto index = volume::point_to_index(grid, point);
        const auto k = std::lround(index[2]);
        const auto mask = n < slices ? lesion(grid, k) : lung(grid, k);
        const auto pixel = std::lround(index[1]) * grid.size[0] + std::lround(index[0]);
        ASSERT_EQ((bytes[bit / 8] >> (bit % 8)) & 1, mask[static_cast<std::size_t>(pixel)])
            << "frame " << n << ", row " << row << ", column " << column;
      }
    }
  }
}

TEST_F(EnhancedTest, DeidentifiedCopyIsTheSameVolume) {
  const auto from = source();
  dicom::write_source_copies({.source = from, .algorithm = algorithm, .anonymity = {.deidentify = true}},
                             folder_ / "copies");
  EXPECT_EQ(read_file(folder_ / "copies/00001.dcm").find("Doe^Jane"), std::string::npos);
  expect_same_voxels(folder_ / "ct", folder_ / "copies");
}

}  // namespace
}  // namespace pulmoseg
