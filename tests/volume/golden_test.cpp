// Files and numbers from nibabel, pynrrd and SimpleITK: tests/oracle/volume.py

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pulmoseg/volume/volume.hpp"
#include "support/data.hpp"

namespace pulmoseg::volume {
namespace {

nlohmann::json golden() {
  std::ifstream stream(test::repository_file("tests/data/volume/golden.json"));
  return nlohmann::json::parse(stream);
}

void expect_affine(const Geometry& geometry, const nlohmann::json& affine) {
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(geometry.direction[c][r] * geometry.spacing[c], affine[r][c].get<double>(), 1e-6);
    }
    EXPECT_NEAR(geometry.origin[r], affine[r][3].get<double>(), 1e-4);
  }
}

TEST(VolumeGolden, EveryImageReadsAsItsOwnToolReadsIt) {
  const nlohmann::json images = golden()["images"];
  ASSERT_EQ(images.size(), 31U);
  for (const auto& image : images) {
    SCOPED_TRACE(image["file"].get<std::string>());
    VolumeReader reader =
        VolumeReader::open(test::repository_file("tests/data/volume") / image["file"].get<std::string>());
    const SourceInfo source = reader.source();
    EXPECT_EQ(source.format, image["format"].get<std::string>());
    EXPECT_EQ(name(source.voxel_type), image["type"].get<std::string>());
    EXPECT_EQ(source.dimensions, image["dimensions"].get<int>());
    EXPECT_EQ(source.has_geometry, image["has_geometry"].get<bool>());

    const Volume volume = read_volume(std::move(reader));
    EXPECT_EQ(volume.geometry.size, (image["size"].get<std::array<std::int64_t, 3>>()));
    expect_affine(volume.geometry, image["affine"]);
    const auto voxels = image["voxels"].get<std::vector<float>>();
    ASSERT_EQ(volume.voxels.size(), voxels.size());
    for (std::size_t i = 0; i < voxels.size(); ++i) {
      ASSERT_NEAR(volume.voxels[i], voxels[i], 1e-6 * std::abs(voxels[i])) << "voxel " << i;
    }
  }
}

TEST(VolumeGolden, AxesAreAssignedAsNibabelDoes) {
  const nlohmann::json orientations = golden()["orientations"];
  ASSERT_EQ(orientations.size(), 120U);
  for (const auto& orientation : orientations) {
    Geometry stored{.size = {2, 2, 2}};
    for (std::size_t c = 0; c < 3; ++c) {
      Vector3 step;
      for (std::size_t r = 0; r < 3; ++r) step[r] = orientation["matrix"][r][c].get<double>();
      stored.spacing[c] = std::hypot(step[0], step[1], step[2]);
      for (std::size_t r = 0; r < 3; ++r) stored.direction[c][r] = step[r] / stored.spacing[c];
    }
    const AxisOrder order = canonical_order(stored);
    EXPECT_EQ(order.axis, (orientation["axis"].get<std::array<int, 3>>())) << orientation["matrix"];
    EXPECT_EQ(order.flipped, (orientation["flipped"].get<std::array<bool, 3>>())) << orientation["matrix"];
  }
}

TEST(VolumeGolden, KeyValuePairsOfNrrdAreKept) {
  const auto reader = VolumeReader::open(test::repository_file("tests/data/volume/by_hand.nrrd"));
  EXPECT_EQ(reader.source().attributes.at("some key"), "a value: with colon");
}

}  // namespace
}  // namespace pulmoseg::volume
