#include "pulmoseg/volume/volume_reader.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {

const std::vector<std::int16_t> eight{1, 2, 3, 4, 5, 6, 7, 8};
const std::vector<float> eight_as_float{1, 2, 3, 4, 5, 6, 7, 8};

TEST(VolumeReader, HandsOutEachSliceOnceInStoredOrder) {
  const test::TemporaryFolder folder;
  test::RawNifti raw({2, 2, 2});
  raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, -1, 7}}});  // from superior to inferior
  test::save(folder / "scan.nii", raw.with(eight));
  VolumeReader reader = VolumeReader::open(folder / "scan.nii");
  EXPECT_EQ(reader.geometry().origin[2], 6);
  AxialSlice slice;
  ASSERT_TRUE(reader.next(slice));
  EXPECT_EQ(slice.index, 1);
  EXPECT_EQ(slice.pixels, (std::vector<float>{1, 2, 3, 4}));
  ASSERT_TRUE(reader.next(slice));
  EXPECT_EQ(slice.index, 0);
  EXPECT_EQ(slice.pixels, (std::vector<float>{5, 6, 7, 8}));
  EXPECT_FALSE(reader.next(slice));
  EXPECT_FALSE(reader.next(slice));
}

/// What is read from here to the end: index and first pixel of each slice.
std::vector<std::pair<std::int64_t, float>> rest_of(VolumeReader& reader) {
  std::vector<std::pair<std::int64_t, float>> found;
  for (AxialSlice slice; reader.next(slice);) found.emplace_back(slice.index, slice.pixels.front());
  return found;
}

TEST(VolumeReader, RewindsWhetherItKeepsTheVolumeOrNot) {
  const test::TemporaryFolder folder;
  test::RawNifti raw({2, 2, 2});
  raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, -1, 7}}});
  test::RawNifti sagittal({2, 2, 2});
  sagittal.sform({{{0, 0, -1, 0}, {-1, 0, 0, 0}, {0, 1, 0, 0}}});
  test::save(folder / "plain.nii", raw.with(eight));
  test::save(folder / "packed.nii.gz", test::gzip(raw.with(eight)));
  test::save(folder / "sagittal.nii.gz", test::gzip(sagittal.with(eight)));
  std::filesystem::create_directory(folder / "dicom");
  test::write_ct_series(folder / "dicom", 3);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    VolumeReader once = VolumeReader::open(entry.path());
    const auto expected = rest_of(once);
    for (const std::uint64_t kept : {0, 15, 16, 1000}) {
      SCOPED_TRACE(testing::Message() << entry.path() << ", up to " << kept << " bytes kept");
      VolumeReader reader = VolumeReader::open(entry.path(), kept);
      reader.read_ahead();
      EXPECT_EQ(reader.next_index(), expected.front().first);
      EXPECT_TRUE(reader.skip());
      EXPECT_EQ(reader.next_index(), expected[1].first);
      EXPECT_EQ(rest_of(reader), decltype(expected)(expected.begin() + 1, expected.end()));
      EXPECT_EQ(reader.next_index(), std::nullopt);
      EXPECT_FALSE(reader.skip());
      for (int again = 0; again < 2; ++again) {
        reader.rewind();
        EXPECT_EQ(rest_of(reader), expected);
      }
    }
  }
}

TEST(VolumeReader, FindsACutFileInEveryPass) {
  const test::TemporaryFolder folder;
  const std::string packed = test::gzip(test::RawNifti({2, 2, 2}).with(eight));
  test::save(folder / "cut.nii.gz", packed.substr(0, packed.size() - 6));
  for (const std::uint64_t kept : {0, 1000}) {
    VolumeReader reader = VolumeReader::open(folder / "cut.nii.gz", kept);
    for (int pass = 0; pass < 2; ++pass, reader.rewind()) EXPECT_THROW(rest_of(reader), Error);
  }
}

TEST(VolumeReader, GoesByContentAndNotByName) {
  const test::TemporaryFolder folder;
  const std::string plain = test::RawNifti({2, 2, 2}).with(eight);
  test::save(folder / "gzipped.nii", test::gzip(plain));
  test::save(folder / "plain.nii.gz", plain);
  test::save(folder / "no ending, blanks and Lungenentzündung 肺", plain);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(read_volume(entry.path()).voxels, eight_as_float) << entry.path();
  }
}

TEST(VolumeReader, ReadsGzipInSeveralMembersAndForgivesWhatFollows) {
  const test::TemporaryFolder folder;
  const std::string plain = test::RawNifti({2, 2, 2}).with(eight);
  test::save(folder / "members.nii.gz", test::gzip(plain.substr(0, 355)) + test::gzip(plain.substr(355)));
  test::save(folder / "trailing.nii.gz", test::gzip(plain) + std::string(100, '\0'));
  test::save(folder / "trailing1f.nii.gz", test::gzip(plain) + "\x1f");
  test::save(folder / "trailing1f2.nii.gz", test::gzip(plain) + "\x1f no gzip");
  test::save(folder / "trailing.nii", plain + "more than the header says");
  test::save(folder / "inside.nii.gz", test::gzip(plain + std::string(100000, 'x')));
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(read_volume(entry.path()).voxels, eight_as_float) << entry.path();
  }
}

TEST(VolumeReader, TakesZeroAndNaNSlopeForNone) {
  const test::TemporaryFolder folder;
  for (const float slope : {0.0F, std::numeric_limits<float>::quiet_NaN()}) {
    test::RawNifti raw({2, 2, 2});
    test::save(folder / "scan.nii", raw.put(112, slope).put(116, 5.0F).with(eight));
    EXPECT_EQ(read_volume(folder / "scan.nii").voxels, eight_as_float);
  }
  test::RawNifti raw({2, 2, 2});
  test::save(folder / "scan.nii", raw.put(112, 2.0F).put(116, 5.0F).with(eight));
  EXPECT_EQ(read_volume(folder / "scan.nii").voxels, (std::vector<float>{7, 9, 11, 13, 15, 17, 19, 21}));
}

TEST(VolumeReader, HonoursAnExtensionBetweenHeaderAndVoxels) {
  const test::TemporaryFolder folder;
  test::RawNifti raw({2, 2, 2});
  raw.put(108, 368.0F).put(348, std::uint8_t{1});
  std::string bytes = raw.with(eight);
  bytes.insert(352, 16, 'e');
  test::save(folder / "scan.nii", bytes);
  EXPECT_EQ(read_volume(folder / "scan.nii").voxels, eight_as_float);
}

TEST(VolumeReader, PlacesAFileOnTheGridOfAnother) {
  const test::TemporaryFolder folder;
  test::RawNifti image({2, 2, 2});
  image.sform({{{0, 0, -1, 0}, {-1, 0, 0, 0}, {0, 1, 0, 5}}});
  test::save(folder / "image.nii", image.with(eight));
  test::RawNifti mask({2, 2, 2});
  mask.put(254, std::int16_t{0});  // no position
  test::save(folder / "mask.nii", mask.with(eight));
  const SourceInfo grid = VolumeReader::open(folder / "image.nii").source();
  const Volume read = read_volume(VolumeReader::open_on_grid_of(grid, folder / "mask.nii"));
  EXPECT_EQ(read.voxels, read_volume(folder / "image.nii").voxels);
  EXPECT_TRUE(same_grid(read.geometry, read_volume(folder / "image.nii").geometry));
}

}  // namespace
}  // namespace pulmoseg::volume
