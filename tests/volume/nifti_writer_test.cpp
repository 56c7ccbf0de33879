#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

fs::path golden_file(const char* name) { return test::repository_file("tests/data/volume") / name; }

/// A mask of ones and zeros on the grid of `image`, written slice by slice in the order in which the reader hands them
/// out.
void write_mask(const fs::path& image, const fs::path& mask) {
  VolumeReader reader = VolumeReader::open(image);
  VolumeWriter writer(mask, reader.source(), VoxelType::uint8);
  AxialSlice slice;
  while (reader.next(slice)) {
    for (float& pixel : slice.pixels) pixel = pixel > 0 ? 1.0F : 0.0F;
    writer.write(slice.index, slice.pixels);
  }
  writer.commit();
}

template <class Callable>
std::string error_of(Callable&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

SourceInfo grid(std::array<std::int64_t, 3> size) {
  SourceInfo like;
  like.stored_geometry.size = size;
  like.order = canonical_order(like.stored_geometry);
  return like;
}

TEST(VolumeWriter, CopiesThePlacingFieldsOfANifti1Header) {
  const test::TemporaryFolder folder;
  for (const char* name : {"int16_slope.nii.gz", "oblique.nii.gz", "tilted.nii.gz", "permuted.nii.gz",
                           "sform_not_qform.nii.gz", "qform_only.nii.gz", "qform_left_handed.nii.gz", "no_codes.nii.gz",
                           "slice_2d.nii.gz", "one_frame_4d.nii.gz", "micron.nii.gz", "metre.nii.gz"}) {
    SCOPED_TRACE(name);
    write_mask(golden_file(name), folder / "mask.nii.gz");
    const std::string image = test::gunzip(test::file_bytes(golden_file(name)));
    const std::string mask = test::gunzip(test::file_bytes(folder / "mask.nii.gz"));
    EXPECT_EQ(mask.substr(40, 16), image.substr(40, 16)) << "dim";
    EXPECT_EQ(mask.substr(76, 32), image.substr(76, 32)) << "pixdim";
    EXPECT_EQ(mask[123], image[123]) << "units";
    EXPECT_EQ(mask.substr(148, 80), image.substr(148, 80)) << "descrip";
    EXPECT_EQ(mask.substr(252, 76), image.substr(252, 76)) << "codes, qform and sform";
    EXPECT_EQ(mask.substr(344, 4), image.substr(344, 4)) << "magic";
    float slope = 0, intercept = 1;
    std::memcpy(&slope, mask.data() + 112, 4);
    std::memcpy(&intercept, mask.data() + 116, 4);
    EXPECT_EQ(slope, 1.0F);
    EXPECT_EQ(intercept, 0.0F);
    EXPECT_EQ(mask.size(), mask[40] == 2 ? 352U + 20 : 352U + 60);
  }
}

TEST(VolumeWriter, MaskLiesOnTheGridOfItsImageInAnyPairOfFormats) {
  const test::TemporaryFolder folder;
  for (const char* image : {"oblique.nii.gz", "big_endian_int16.nii.gz", "permuted.nii.gz", "tilted.nii.gz",
                            "nifti2.nii.gz", "nifti2_big_endian.nii", "lps_gzip.nrrd", "ras_raw.nrrd", "las_gzip.nrrd",
                            "by_hand.nrrd", "no_space.nrrd", "no_codes.nii.gz", "slice_2d.nii.gz", "metre.nii.gz"}) {
    for (const char* mask : {"m.nii", "m.nii.gz", "m.nrrd"}) {
      SCOPED_TRACE(std::string(image) + " -> " + mask);
      write_mask(golden_file(image), folder / mask);
      const auto source = VolumeReader::open(golden_file(image)).source();
      const auto written = VolumeReader::open(folder / mask).source();
      EXPECT_EQ(written.has_geometry, source.has_geometry);
      EXPECT_EQ(written.stored_geometry.size, source.stored_geometry.size);
      Volume expected = read_volume(golden_file(image));
      for (float& voxel : expected.voxels) voxel = voxel > 0 ? 1.0F : 0.0F;
      const Volume read = read_volume(VolumeReader::open_on_grid_of(source, folder / mask));
      EXPECT_EQ(read.voxels, expected.voxels);
      EXPECT_TRUE(!source.has_geometry || same_grid(written.stored_geometry, source.stored_geometry));
    }
  }
}

TEST(VolumeWriter, KeepsTheVersionAndTheSpaceOfTheSource) {
  const test::TemporaryFolder folder;
  write_mask(golden_file("nifti2.nii.gz"), folder / "m.nii.gz");
  EXPECT_EQ(VolumeReader::open(folder / "m.nii.gz").source().format, "NIfTI-2");
  write_mask(golden_file("slice_2d.nii.gz"), folder / "m.nii.gz");
  EXPECT_EQ(VolumeReader::open(folder / "m.nii.gz").source().dimensions, 2);
  write_mask(golden_file("ras_raw.nrrd"), folder / "m.nrrd");
  const auto image = VolumeReader::open(golden_file("ras_raw.nrrd")).source();
  const auto mask = VolumeReader::open(folder / "m.nrrd").source();
  EXPECT_EQ(mask.nrrd->fields, image.nrrd->fields);
  EXPECT_EQ(mask.nrrd->fields.at("space"), "right-anterior-superior");
}

TEST(VolumeWriter, QformSaysWhatSformSaysWhereItCan) {
  const test::TemporaryFolder folder;
  for (const auto& [image, has_qform] :
       {std::pair{"lps_gzip.nrrd", true}, {"las_gzip.nrrd", true}, {"tilted.nii.gz", false}}) {
    SCOPED_TRACE(image);
    SourceInfo like = VolumeReader::open(golden_file(image)).source();
    like.nifti.reset();
    VolumeWriter writer(folder / "m.nii", like, VoxelType::uint8);
    const Geometry canonical = reorder(like.stored_geometry, like.order);
    const std::vector<float> empty(static_cast<std::size_t>(canonical.size[0] * canonical.size[1]));
    for (std::int64_t k = 0; k < canonical.size[2]; ++k) writer.write(k, empty);
    writer.commit();
    EXPECT_EQ(VolumeReader::open(folder / "m.nii").source().nifti->qform_code, has_qform ? 1 : 0);
    if (!has_qform) continue;
    std::string bytes = test::file_bytes(folder / "m.nii");
    bytes[254] = 0;  // sform_code
    test::save(folder / "q.nii", bytes);
    EXPECT_TRUE(same_grid(VolumeReader::open(folder / "q.nii").geometry(), canonical));
  }
}

TEST(VolumeWriter, TakesSlicesInAnyOrder) {
  const test::TemporaryFolder folder;
  const SourceInfo like = grid({2, 1, 4});
  VolumeWriter writer(folder / "v.nii.gz", like, VoxelType::float32);
  for (const std::int64_t k : {2, 0, 3, 1}) writer.write(k, std::vector<float>{static_cast<float>(k), 0.5F});
  writer.commit();
  EXPECT_EQ(read_volume(folder / "v.nii.gz").voxels, (std::vector<float>{0, 0.5F, 1, 0.5F, 2, 0.5F, 3, 0.5F}));
}

TEST(VolumeWriter, RoundsToTheNearestInteger) {
  const test::TemporaryFolder folder;
  VolumeWriter writer(folder / "v.nii", grid({4, 1, 1}), VoxelType::int8);
  writer.write(0, std::vector<float>{-128.4F, 126.7F, 0.6F, -0.6F});
  writer.commit();
  EXPECT_EQ(read_volume(folder / "v.nii").voxels, (std::vector<float>{-128, 127, 1, -1}));
}

TEST(VolumeWriter, TakesMasksInBytes) {
  const test::TemporaryFolder folder;
  for (const VoxelType type : {VoxelType::uint8, VoxelType::int16, VoxelType::float32}) {
    VolumeWriter writer(folder / "v.nii", grid({4, 1, 1}), type);
    writer.write(0, std::vector<std::uint8_t>{0, 1, 127, 2});
    writer.commit();
    EXPECT_EQ(read_volume(folder / "v.nii").voxels, (std::vector<float>{0, 1, 127, 2}));
  }
  VolumeWriter narrow(folder / "n.nii", grid({4, 1, 1}), VoxelType::int8);
  EXPECT_CONTAINS(error_of([&] {
                    narrow.write(0, std::vector<std::uint8_t>{0, 1, 128, 2});
                  }),
                  "the value 128 in slice 0");
}

TEST(VolumeWriter, SaysWhatIsWrong) {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "v.nii.gz").string();
  const std::vector<float> pixels{1, 2};
  const auto with_writer = [&](auto&& work) {
    return error_of([&] {
      VolumeWriter writer(file, grid({2, 1, 2}), VoxelType::uint8);
      work(writer);
    });
  };
  EXPECT_EQ(with_writer([&](VolumeWriter& w) {
              w.write(0, pixels);
              w.commit();
            }),
            file + ": slice 1 of 2 was not written");
  EXPECT_EQ(with_writer([&](VolumeWriter& w) {
              w.write(0, pixels);
              w.write(0, pixels);
            }),
            file + ": slice 0 is written twice or outside of the 2 slices");
  EXPECT_EQ(with_writer([&](VolumeWriter& w) { w.write(2, pixels); }),
            file + ": slice 2 is written twice or outside of the 2 slices");
  EXPECT_EQ(with_writer([&](VolumeWriter& w) { w.write(1, std::vector<float>{1}); }),
            file + ": slice 1 has 1 pixels, expected 2x1");
  EXPECT_EQ(with_writer([&](VolumeWriter& w) {
              w.write(1, std::vector<float>{1, 256});
            }),
            file + ": the value 256 in slice 1 does not fit uint8");
  EXPECT_EQ(with_writer([&](VolumeWriter& w) {
              w.write(1, std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()});
            }),
            file + ": the value nan in slice 1 does not fit uint8");
  EXPECT_THROW(VolumeWriter(folder / "v.png", grid({2, 1, 2}), VoxelType::uint8), UsageError);
  EXPECT_EQ(error_of([&] {
              VolumeWriter(folder / "missing" / "v.nii", grid({2, 1, 2}), VoxelType::uint8);
            }),
            (folder / "missing" / "v.nii").string() + ": cannot be written: No such file or directory");
  EXPECT_TRUE(fs::is_empty(folder.path())) << "a writer without commit() left something behind";
}

TEST(VolumeWriter, EqualVoxelsGiveEqualFiles) {
  const test::TemporaryFolder folder;
  write_mask(golden_file("oblique.nii.gz"), folder / "a.nii.gz");
  write_mask(golden_file("oblique.nii.gz"), folder / "b.nii.gz");
  EXPECT_EQ(test::file_bytes(folder / "a.nii.gz"), test::file_bytes(folder / "b.nii.gz"));
}

}  // namespace
}  // namespace pulmoseg::volume
