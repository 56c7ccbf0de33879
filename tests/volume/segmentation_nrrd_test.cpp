// The layers of a .seg.nrrd, as its header and its bytes tell them.

#include "pulmoseg/volume/segmentation_nrrd.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg::volume {
namespace {

std::string inflated(const std::string& bytes, std::size_t size) {
  std::string voxels(size + 1, '\0');
  z_stream stream{};
  inflateInit2(&stream, 16 + MAX_WBITS);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(voxels.data());
  stream.avail_out = static_cast<uInt>(voxels.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  voxels.resize(stream.total_out);
  inflateEnd(&stream);
  return voxels;
}

/// 3 columns, 2 rows, 2 slices; slices stored downwards.
SourceInfo grid() {
  SourceInfo like;
  like.stored_geometry.size = {3, 2, 2};
  like.stored_geometry.spacing = {0.5, 0.75, 2};
  like.stored_geometry.direction[2] = {0, 0, -1};
  like.order = canonical_order(like.stored_geometry);
  return like;
}

TEST(SegmentationNrrdTest, LayersLieSideBySide) {
  const test::TemporaryFolder folder;
  const auto file = folder / "a.seg.nrrd";
  SegmentationNrrd writer(file, grid(), {lesion_segment(), lung_segment()});
  using Mask = std::vector<std::uint8_t>;
  writer.write(0, Mask{0, 0, 0, 0, 1, 0}, Mask{0, 0, 0, 1, 1, 0});
  EXPECT_FALSE(std::filesystem::exists(file));
  writer.write(1, Mask{0, 0, 0, 0, 0, 0}, Mask{1, 0, 0, 0, 0, 0});
  writer.commit();
  const std::string bytes = read_file(file);
  const auto end = bytes.find("\n\n");
  const std::string header = bytes.substr(0, end);
  EXPECT_CONTAINS(header, "sizes: 2 3 2 2\n");
  EXPECT_CONTAINS(header, "space directions: none (0.5,0,0) (0,0.75,0) (0,0,-2)\n");
  EXPECT_CONTAINS(header, "Segment0_Name:=Lesion\n");
  EXPECT_CONTAINS(header, "Segment1_Layer:=1\n");
  EXPECT_CONTAINS(header, "~SCT^52988006^Lesion~^^~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^|");
  EXPECT_CONTAINS(header, "master list~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~")
      << "as Slicer's list has it";
  const std::string expected{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // the upper slice first
                             0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0};
  EXPECT_EQ(inflated(bytes.substr(end + 2), 24), expected);
}

TEST(SegmentationNrrdTest, MasksThatAreNotThere) {
  const test::TemporaryFolder folder;
  SegmentationNrrd writer(folder / "a.seg.nrrd", grid(), {lesion_segment(), lung_segment()});
  EXPECT_THROW(writer.write(0, std::vector<std::uint8_t>(6)), Error);
  EXPECT_THROW(writer.commit(), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "a.seg.nrrd"));
}

}  // namespace
}  // namespace pulmoseg::volume
