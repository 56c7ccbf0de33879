#pragma once
// The made-up series of tests/support/dicom.hpp, and what is written of it.

#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dicom/segmentation_writer.hpp"
#include "pulmoseg/dicom/source_copies.hpp"
#include "pulmoseg/dicom/structured_report.hpp"
#include "pulmoseg/volume/volume_reader.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "support/nifti.hpp"

namespace pulmoseg {

inline const dicom::Algorithm algorithm{"9.8.7", "model.onnx", std::string(64, 'a')};

class Objects : public ::testing::Test {
 protected:
  static constexpr int slices = 5;

  void SetUp() override {
    std::filesystem::create_directories(folder_ / "ct");
    test::write_ct_series(folder_ / "ct", slices);
  }

  volume::SourceInfo source() { return volume::VolumeReader::open(folder_ / "ct").source(); }

  /// Voxel (i, j, k) of canonical slice k is lesion where i + 2 j + k divides by 3; lung everywhere but in slice 0.
  static std::vector<std::uint8_t> lesion(const volume::Geometry& grid, std::int64_t k) {
    std::vector<std::uint8_t> mask;
    for (std::int64_t j = 0; j < grid.size[1]; ++j)
      for (std::int64_t i = 0; i < grid.size[0]; ++i) mask.push_back((i + 2 * j + k) % 3 == 0 && k != 2);
    return mask;
  }
  static std::vector<std::uint8_t> lung(const volume::Geometry& grid, std::int64_t k) {
    return std::vector<std::uint8_t>(static_cast<std::size_t>(grid.size[0] * grid.size[1]), k > 0);
  }

  dicom::SegmentationName write_segmentation(const dicom::Case& of) {
    const auto grid = volume::reorder(of.source.stored_geometry, of.source.order);
    dicom::SegmentationWriter writer(folder_ / "seg.dcm", of, {volume::lesion_segment(), volume::lung_segment()},
                                     dicom::SegmentationKind::binary);
    for (std::int64_t k = grid.size[2]; k-- > 0;) writer.write(k, lesion(grid, k));  // against their order
    for (std::int64_t k = 0; k < grid.size[2]; ++k) writer.write(k, lung(grid, k));
    writer.commit();
    return writer.name();
  }

  void write_report(const dicom::Case& of, const dicom::SegmentationName& segmentation) {
    const auto grid = volume::reorder(of.source.stored_geometry, of.source.order);
    masks::RunMask in_lesion(grid.size), in_lung(grid.size);
    for (std::int64_t k = 0; k < grid.size[2]; ++k) {
      in_lesion.set(k, lesion(grid, k));
      in_lung.set(k, lung(grid, k));
    }
    auto scan = volume::VolumeReader::open(folder_ / "ct");
    auto measurements = quantify::measure(scan, {in_lesion, in_lung});
    measurements.density.reset();
    quantify::RegionMeasurements left;
    left.name = "left";
    left.lung_ml = 1.25;
    left.percent_affected = 40;
    measurements.sides = {left};
    measurements.notes.push_back({"a_code", "Doe^Jane.dcm was left out"});
    dicom::write_structured_report(folder_ / "sr.dcm", of, measurements, segmentation, true);
  }

  static void expect_same_voxels(const std::filesystem::path& a, const std::filesystem::path& b) {
    auto one = volume::VolumeReader::open(a), other = volume::VolumeReader::open(b);
    EXPECT_TRUE(volume::same_grid(one.geometry(), other.geometry()));
    volume::AxialSlice slice, its_copy;
    int read = 0;
    while (one.next(slice) && other.next(its_copy)) {
      EXPECT_EQ(slice.pixels, its_copy.pixels);
      ++read;
    }
    EXPECT_EQ(read, slices);
  }

  DcmDataset& load(const std::filesystem::path& file) {
    EXPECT_TRUE(loaded_.loadFile(file.c_str()).good()) << file;
    return *loaded_.getDataset();
  }

  test::TemporaryFolder folder_;
  DcmFileFormat loaded_;
};

/// The whole value of an attribute, in the item or the first below it that has it.
inline std::string text(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFStringArray(tag, value, OFTrue);
  return value.c_str();
}

inline DcmItem& item_of(DcmItem& item, const DcmTagKey& sequence, long n = 0) {
  DcmItem* found = nullptr;
  if (item.findAndGetSequenceItem(sequence, found, n).bad()) throw std::runtime_error("no item");
  return *found;
}

/// What dciodvfy says of it, or nothing where that is not installed.
inline std::string errors_by_dciodvfy(const std::filesystem::path& file, const std::filesystem::path& log) {
  const std::string command = "dciodvfy '" + file.string() + "' > '" + log.string() + "' 2>&1";
  [[maybe_unused]] const int code = std::system(command.c_str());
  std::string errors;
  const std::string said = read_file(log);
  for (std::size_t begin = 0; begin < said.size();) {
    const std::size_t end = std::min(said.find('\n', begin), said.size());
    const std::string line = said.substr(begin, end - begin);
    if (line.starts_with("Error")) errors += line + '\n';
    begin = end + 1;
  }
  return errors;
}

inline bool has_dciodvfy() { return std::system("command -v dciodvfy > /dev/null 2>&1") == 0; }

}  // namespace pulmoseg
