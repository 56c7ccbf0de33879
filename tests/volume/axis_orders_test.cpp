// The same volume stored in each of the 48 axis orders: one canonical volume, and masks that go back where they came
// from.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "pulmoseg/volume/volume.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {

struct Stored {
  std::array<int, 3> axis;       // stored axis a is canonical axis axis[a]
  std::array<bool, 3> reversed;  // … run through backwards
};

std::vector<Stored> all_48() {
  std::vector<Stored> orders;
  std::array<int, 3> axis{0, 1, 2};
  do {
    for (int flips = 0; flips < 8; ++flips)
      orders.push_back({axis, {(flips & 1) != 0, (flips & 2) != 0, (flips & 4) != 0}});
  } while (std::next_permutation(axis.begin(), axis.end()));
  return orders;
}

Volume random_volume(const std::array<Vector3, 3>& direction) {
  Volume volume{
      .geometry = {.size = {5, 4, 3}, .spacing = {0.7, 0.9, 2.5}, .origin = {-20, 31, -140}, .direction = direction},
      .voxels = std::vector<float>(60)};
  std::mt19937 random(48);
  for (float& voxel : volume.voxels) voxel = static_cast<float>(static_cast<int>(random() % 4000) - 1024);
  return volume;
}

/// The file's bytes, from the definition of the format alone.
std::string stored_file(const Volume& volume, const Stored& stored) {
  const Geometry& geometry = volume.geometry;
  std::array<std::int16_t, 3> size;
  std::array<std::array<float, 4>, 3> sform{};
  Vector3 origin = geometry.origin;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto c = static_cast<std::size_t>(stored.axis[a]);
    size[a] = static_cast<std::int16_t>(geometry.size[c]);
    for (std::size_t r = 0; r < 3; ++r) {
      const double step = geometry.direction[c][r] * geometry.spacing[c];
      sform[r][a] = static_cast<float>((r < 2 ? -1 : 1) * (stored.reversed[a] ? -step : step));
      if (stored.reversed[a]) origin[r] += step * static_cast<double>(geometry.size[c] - 1);
    }
  }
  for (std::size_t r = 0; r < 3; ++r) sform[r][3] = static_cast<float>((r < 2 ? -1 : 1) * origin[r]);

  std::vector<std::int16_t> voxels;
  for (int k = 0; k < size[2]; ++k) {
    for (int j = 0; j < size[1]; ++j) {
      for (int i = 0; i < size[0]; ++i) {
        std::array<std::int64_t, 3> canonical{};
        const std::array<int, 3> index{i, j, k};
        for (std::size_t a = 0; a < 3; ++a) {
          canonical[static_cast<std::size_t>(stored.axis[a])] = stored.reversed[a] ? size[a] - 1 - index[a] : index[a];
        }
        const auto at = static_cast<std::size_t>((canonical[2] * geometry.size[1] + canonical[1]) * geometry.size[0] +
                                                 canonical[0]);
        voxels.push_back(static_cast<std::int16_t>(volume.voxels[at]));
      }
    }
  }
  return test::RawNifti(size).sform(sform).with(voxels);
}

void write_like(const Volume& volume, const SourceInfo& like, const std::filesystem::path& file, VoxelType type) {
  VolumeWriter writer(file, like, type);
  for (std::int64_t k = 0; k < volume.geometry.size[2]; ++k) writer.write(k, volume.slice(k));
  writer.commit();
}

class AxisOrders : public testing::TestWithParam<std::array<Vector3, 3>> {};

TEST_P(AxisOrders, GiveOneCanonicalVolume) {
  const test::TemporaryFolder folder;
  const Volume volume = random_volume(GetParam());
  for (const Stored& stored : all_48()) {
    test::save(folder / "scan.nii", stored_file(volume, stored));
    const Volume read = read_volume(folder / "scan.nii");
    ASSERT_EQ(read.voxels, volume.voxels);
    ASSERT_TRUE(same_grid(read.geometry, volume.geometry)) << describe(read.geometry);
  }
}

TEST_P(AxisOrders, AreWrittenBackAsTheyWere) {
  const test::TemporaryFolder folder;
  const Volume volume = random_volume(GetParam());
  for (const Stored& stored : all_48()) {
    const std::string original = stored_file(volume, stored);
    test::save(folder / "scan.nii", original);
    const SourceInfo source = VolumeReader::open(folder / "scan.nii").source();
    write_like(volume, source, folder / "mask.nii", VoxelType::int16);
    ASSERT_EQ(test::file_bytes(folder / "mask.nii").substr(352), original.substr(352));
    ASSERT_EQ(test::file_bytes(folder / "mask.nii").substr(280, 48), original.substr(280, 48));
    if (stored.reversed[0] || stored.reversed[1]) continue;
    write_like(volume, source, folder / "mask.nii.gz", VoxelType::int16);
    ASSERT_EQ(test::gunzip(test::file_bytes(folder / "mask.nii.gz")), test::file_bytes(folder / "mask.nii"));
  }
}

TEST_P(AxisOrders, SurviveTheWayThroughNrrd) {
  const test::TemporaryFolder folder;
  const Volume volume = random_volume(GetParam());
  for (const Stored& stored : all_48()) {
    test::save(folder / "scan.nii", stored_file(volume, stored));
    write_like(volume, VolumeReader::open(folder / "scan.nii").source(), folder / "a.nrrd", VoxelType::int16);
    VolumeReader nrrd = VolumeReader::open(folder / "a.nrrd");
    write_like(volume, nrrd.source(), folder / "b.nii.gz", VoxelType::float32);
    VolumeReader nifti = VolumeReader::open(folder / "b.nii.gz");
    ASSERT_EQ(nifti.source().order.axis, nrrd.source().order.axis);
    ASSERT_EQ(nifti.source().order.flipped, nrrd.source().order.flipped);
    for (VolumeReader* reader : {&nrrd, &nifti}) {
      const Volume read = read_volume(std::move(*reader));
      ASSERT_EQ(read.voxels, volume.voxels);
      ASSERT_TRUE(same_grid(read.geometry, volume.geometry)) << describe(read.geometry);
    }
  }
}

constexpr std::array<Vector3, 3> straight{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
constexpr std::array<Vector3, 3> turned{{{0.8, 0.6, 0}, {-0.48, 0.64, 0.6}, {0.36, -0.48, 0.8}}};
constexpr std::array<Vector3, 3> tilted{{{1, 0, 0}, {0, 1, 0}, {0, 0.28, 0.96}}};
INSTANTIATE_TEST_SUITE_P(Axes, AxisOrders, testing::Values(straight, turned, tilted));

}  // namespace
}  // namespace pulmoseg::volume
