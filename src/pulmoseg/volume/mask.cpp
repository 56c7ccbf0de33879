#include "pulmoseg/volume/mask.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cmath>
#include <utility>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::volume {
namespace {

/// The index of one grid as a function of the index of another: at(i, j, k) = start + i*step[0] + j*step[1] + k*step[2].
struct IndexMap {
  IndexMap(const Geometry& from, const Geometry& to) {
    const auto image_of = [&](const Vector3& index) { return point_to_index(to, index_to_point(from, index)); };
    start = image_of({0, 0, 0});
    for (std::size_t c = 0; c < 3; ++c) {
      Vector3 unit{};
      unit[c] = 1;
      step[c] = image_of(unit);
      for (std::size_t r = 0; r < 3; ++r) step[c][r] -= start[r];
    }
  }

  /// The voxel in which the point lies.
  std::array<std::int64_t, 3> nearest(std::int64_t i, std::int64_t j, std::int64_t k) const {
    std::array<std::int64_t, 3> voxel;
    for (std::size_t r = 0; r < 3; ++r) {
      const double x = start[r] + static_cast<double>(i) * step[0][r] + static_cast<double>(j) * step[1][r] +
                       static_cast<double>(k) * step[2][r];
      // A point on the border between two voxels falls to the upper one in spite of rounding errors.
      voxel[r] = static_cast<std::int64_t>(std::floor(x + 0.5 + 1e-6));
    }
    return voxel;
  }

  Vector3 start;
  std::array<Vector3, 3> step;
};

bool inside(const std::array<std::int64_t, 3>& voxel, const std::array<std::int64_t, 3>& size) {
  for (std::size_t c = 0; c < 3; ++c) {
    if (voxel[c] < 0 || voxel[c] >= size[c]) return false;
  }
  return true;
}

std::size_t offset(const std::array<std::int64_t, 3>& voxel, const std::array<std::int64_t, 3>& size) {
  return static_cast<std::size_t>((voxel[2] * size[1] + voxel[1]) * size[0] + voxel[0]);
}

/// Calls work(i, j, k) for every voxel, in the order in which they lie in a Volume.
template <class Work>
void for_each_voxel(const std::array<std::int64_t, 3>& size, Work&& work) {
  for (std::int64_t k = 0; k < size[2]; ++k) {
    for (std::int64_t j = 0; j < size[1]; ++j) {
      for (std::int64_t i = 0; i < size[0]; ++i) work(i, j, k);
    }
  }
}

bool labels_lie_inside(const Volume& mask, const Geometry& grid) {
  const IndexMap map(mask.geometry, grid);
  std::size_t at = 0;
  bool all_inside = true;
  for_each_voxel(mask.geometry.size, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
    if (mask.voxels[at++] != 0) all_inside = all_inside && inside(map.nearest(i, j, k), grid.size);
  });
  return all_inside;
}

[[noreturn]] void refuse(const SourceInfo& mask, const SourceInfo& image, std::string_view reason) {
  throw Error(fmt::format("{}: {} and cannot be brought onto the grid of {} ({}): {}; resample the mask onto its image",
                          mask.file.string(), describe(mask.stored_geometry), image.file.string(),
                          describe(image.stored_geometry), reason));
}

}  // namespace

Volume resample_nearest(const Volume& mask, const Geometry& grid) {
  Volume result{.geometry = grid, .voxels = {}};
  result.voxels.resize(static_cast<std::size_t>(grid.size[0] * grid.size[1] * grid.size[2]));
  const IndexMap map(grid, mask.geometry);
  std::size_t at = 0;
  for_each_voxel(grid.size, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
    const auto voxel = map.nearest(i, j, k);
    if (inside(voxel, mask.geometry.size)) result.voxels[at] = mask.voxels[offset(voxel, mask.geometry.size)];
    ++at;
  });
  return result;
}

Volume read_mask_on_grid(const std::filesystem::path& file, const SourceInfo& image, const Geometry& image_grid) {
  VolumeReader reader = VolumeReader::open(file);
  const SourceInfo source = reader.source();
  const bool both_placed = source.has_geometry && image.has_geometry;
  if (both_placed && same_grid(reader.geometry(), image_grid)) return read_volume(std::move(reader));
  if (!both_placed) {
    if (source.stored_geometry.size != image.stored_geometry.size) {
      refuse(source, image, "the sizes differ and a header declares no position in the patient");
    }
    if (source.has_geometry != image.has_geometry) {
      spdlog::warn("{}: taken voxel by voxel onto {}, because only one of the two headers declares a position in the patient",
                   file.string(), image.file.string());
    }
    return read_volume(VolumeReader::open_on_grid_of(image, file));
  }
  Volume mask = read_volume(std::move(reader));
  if (!labels_lie_inside(mask, image_grid)) refuse(source, image, "labelled voxels lie outside of the image");
  spdlog::info("{}: resampled from {} onto {}", file.string(), describe(mask.geometry), describe(image_grid));
  return resample_nearest(mask, image_grid);
}

}  // namespace pulmoseg::volume
