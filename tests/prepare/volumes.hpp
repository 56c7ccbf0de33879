#pragma once
// Volumes to prepare: L-P-S axes as most scanners store them, 1 mm, first voxel at the origin.

#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "support/nifti.hpp"

namespace pulmoseg::test {

/// A volume of this size with one value everywhere.
inline NiftiFile filled(std::vector<std::int16_t> size, float value) {
  const auto count = std::accumulate(size.begin(), size.end(), std::size_t{1}, std::multiplies<>());
  NiftiFile file;
  file.size = std::move(size);
  file.affine = {{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}}};
  file.voxels.assign(count, value);
  return file;
}

/// A volume of this size whose voxels count up from 0.
inline NiftiFile counting(std::vector<std::int16_t> size) {
  NiftiFile file = filled(std::move(size), 0);
  std::iota(file.voxels.begin(), file.voxels.end(), 0.0F);
  return file;
}

}  // namespace pulmoseg::test
