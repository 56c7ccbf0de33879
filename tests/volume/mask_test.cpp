#include "pulmoseg/volume/mask.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

using test::RawNifti;

class Masks : public testing::Test {
 protected:
  /// An image of 4x4x2 voxels of 1x1x3 mm, with its first voxel at the origin.
  void SetUp() override {
    RawNifti raw({4, 4, 2});
    raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 3, 0}}});
    test::save(folder_ / "image.nii", raw.with(std::vector<std::int16_t>(32)));
    const VolumeReader reader = VolumeReader::open(folder_ / "image.nii");
    image_ = reader.source();
    grid_ = reader.geometry();
  }

  using Labels = std::vector<std::uint8_t>;  // of 2 slices of 4x4

  Labels on_image(const std::string& bytes) {
    test::save(folder_ / "mask.nii", bytes);
    Labels mask = read_mask_on_grid(folder_ / "mask.nii", MaskKind::lesion, image_, grid_);
    expect_the_same_slice_by_slice(mask);
    return mask;
  }

  void expect_the_same_slice_by_slice(const Labels& mask) {
    std::vector<std::int64_t> seen;
    visit_mask_on_grid(
        folder_ / "mask.nii", MaskKind::lesion, image_, grid_,
        [&](std::int64_t index, std::span<const std::uint8_t> labels) {
          seen.push_back(index);
          EXPECT_TRUE(std::ranges::equal(labels, std::span(mask).subspan(16 * static_cast<std::size_t>(index), 16)))
              << index;
        });
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1}));
  }

  std::string refusal(const std::string& bytes) {
    try {
      on_image(bytes);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  test::TemporaryFolder folder_;
  SourceInfo image_;
  Geometry grid_;
};

std::vector<std::int16_t> counted(std::size_t count) {
  std::vector<std::int16_t> voxels(count);
  for (std::size_t i = 0; i < count; ++i) voxels[i] = static_cast<std::int16_t>(i + 1);
  return voxels;
}

TEST_F(Masks, OnTheSameGridIsTakenAsItIs) {
  RawNifti raw({4, 4, 2});
  raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 3, 0}}});
  const Labels mask = on_image(raw.with(counted(32)));
  for (std::size_t i = 0; i < 32; ++i) ASSERT_EQ(mask[i], i + 1);
}

TEST_F(Masks, StoredInAnotherAxisOrderIsReoriented) {
  RawNifti raw({2, 4, 4});  // slices fastest, columns backwards
  raw.sform({{{0, 1, 0, -3}, {0, 0, -1, 0}, {3, 0, 0, 0}}});
  const Labels mask = on_image(raw.with(counted(32)));
  for (std::int64_t k = 0; k < 2; ++k) {
    for (std::int64_t j = 0; j < 4; ++j) {
      for (std::int64_t i = 0; i < 4; ++i) {
        ASSERT_EQ(mask[static_cast<std::size_t>(16 * k + 4 * j + i)], 1 + k + 2 * (3 - i) + 8 * j);
      }
    }
  }
}

TEST_F(Masks, WithoutPositionIsTakenVoxelByVoxel) {
  RawNifti raw({4, 4, 2});
  raw.put(254, std::int16_t{0});  // nibabel's default would turn the rows around
  const Labels mask = on_image(raw.with(counted(32)));
  for (std::size_t i = 0; i < 32; ++i) ASSERT_EQ(mask[i], i + 1);
}

TEST_F(Masks, OnAFinerGridIsResampledThroughSpace) {
  // 8x8x6 voxels of 0.5x0.5x1 mm that fill the image's first slice and the second: voxel (2i, 2j) begins at pixel
  // border -1/2.
  RawNifti raw({8, 8, 6});
  raw.sform({{{-0.5F, 0, 0, 0.25F}, {0, -0.5F, 0, 0.25F}, {0, 0, 1, -1}}});
  std::vector<std::int16_t> voxels(8 * 8 * 6);
  const auto at = [&](std::size_t i, std::size_t j, std::size_t k) -> std::int16_t& {
    return voxels[(k * 8 + j) * 8 + i];
  };
  for (std::size_t j = 2; j < 4; ++j) {
    for (std::size_t i = 4; i < 6; ++i) at(i, j, 4) = 7;  // all of pixel column 2, row 1 at z = 3 mm
  }
  const Labels mask = on_image(raw.with(voxels));
  EXPECT_EQ(std::ranges::count(mask, 0), 31);
  EXPECT_EQ(mask[16 + 1 * 4 + 2], 7);
}

TEST_F(Masks, OfASmallerFieldOfViewIsPaddedWithBackground) {
  RawNifti raw({2, 1, 1});
  raw.sform({{{-1, 0, 0, -1}, {0, -1, 0, -2}, {0, 0, 3, 3}}});  // columns 1 and 2, row 2, slice 1
  const Labels mask = on_image(raw.with(std::vector<std::int16_t>{5, 6}));
  Labels expected(32);
  expected[16 + 2 * 4 + 1] = 5;
  expected[16 + 2 * 4 + 2] = 6;
  EXPECT_EQ(mask, expected);
}

TEST_F(Masks, WithLabelsOutsideOfTheImageIsRefusedWithBothGeometries) {
  RawNifti raw({2, 1, 1});
  raw.sform({{{-1, 0, 0, -3}, {0, -1, 0, -2}, {0, 0, 3, 3}}});  // columns 3 and 4 of 0 to 3
  EXPECT_EQ(on_image(raw.with(std::vector<std::int16_t>{1, 0}))[16 + 2 * 4 + 3], 1);
  EXPECT_EQ(refusal(raw.with(std::vector<std::int16_t>{1, 1})),
            (folder_ / "mask.nii").string() +
                ": is 2x1x1, spacing 1x1x3 mm, origin (3, 2, 3), axes L-P-S and cannot be brought onto the grid of " +
                (folder_ / "image.nii").string() +
                " (4x4x2, spacing 1x1x3 mm, origin (0, 0, 0), axes L-P-S): labelled voxels lie outside of the image; "
                "resample the mask onto its image");
}

TEST_F(Masks, OfAnotherSizeWithoutPositionIsRefused) {
  RawNifti raw({4, 4, 3});
  raw.put(254, std::int16_t{0});
  const std::string message = refusal(raw.with(counted(48)));
  EXPECT_NE(message.find(": the sizes differ and a header declares no position in the patient; "), std::string::npos)
      << message;
  EXPECT_NE(message.find("4x4x3"), std::string::npos) << message;
  EXPECT_NE(message.find("4x4x2"), std::string::npos) << message;
}

TEST_F(Masks, WithValuesThatAreNoLabelsAreRefused) {
  RawNifti raw({4, 4, 2});
  raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 3, 0}}});
  std::vector<std::int16_t> scan(32);
  scan[17] = -800;
  EXPECT_EQ(refusal(raw.with(scan)),
            (folder_ / "mask.nii").string() +
                ": slice 1 holds the value -800, expected labels that are whole numbers from 0 to "
                "255; give a mask, not a scan or a probability map");
}

TEST(LabelsOf, ForgivesTheRoundingOfScaledVoxels) {
  const AxialSlice slice{.index = 0, .rows = 1, .columns = 4, .pixels = {-1e-6F, 0.9999999F, 2.0000002F, 254.9998F}};
  std::vector<std::uint8_t> labels(4);
  labels_of(slice, "mask.nii", labels);
  EXPECT_EQ(labels, (std::vector<std::uint8_t>{0, 1, 2, 255}));
  for (const float value : {0.99F, 255.5F, 256.F, 1e30F})
    EXPECT_THROW(
        labels_of({.index = 0, .rows = 1, .columns = 1, .pixels = {value}}, "mask.nii", std::span(labels).first(1)),
        Error);
}

TEST(ResampledMask, TakesTheVoxelInWhichTheCentreLies) {
  const test::TemporaryFolder folder;
  RawNifti raw({4, 1, 1});
  raw.sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}}});
  test::save(folder / "mask.nii", raw.with(std::vector<std::int16_t>{1, 2, 3, 4}));
  // Centres at -0.6, 0.1, 0.8, 1.5 (the upper of two), 2.2, 2.9, 3.6 (outside)
  const Geometry grid{.size = {7, 1, 1}, .spacing = {0.7, 1, 1}, .origin = {-0.6, 0.3, -0.3}};
  SourceInfo image;
  image.stored_geometry = grid;
  EXPECT_EQ(read_mask_on_grid(folder / "mask.nii", MaskKind::lesion, image, grid),
            (std::vector<std::uint8_t>{0, 1, 2, 3, 3, 4, 0}));
}

}  // namespace
}  // namespace pulmoseg::volume
