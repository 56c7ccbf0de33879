#pragma once
// Between the voxel types of files and float pixels. Internal to volume/.

#include <cstddef>
#include <cstdint>
#include <span>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

/// Where the pixels of one canonical slice stand among stored voxels.
struct SliceLayout {
  std::int64_t rows = 0, columns = 0;
  std::ptrdiff_t start = 0;                      ///< of the pixel in row 0 and column 0, in voxels
  std::ptrdiff_t row_step = 0, column_step = 0;  ///< in voxels
};

/// The layout of canonical slice `k` in a whole volume that is stored in `order`.
SliceLayout layout_in_volume(const std::array<std::int64_t, 3>& stored_size, const AxisOrder& order, std::int64_t k);

/// The same in a single stored slice (where order.axis[2] == 2).
SliceLayout layout_in_slice(const std::array<std::int64_t, 3>& stored_size, const AxisOrder& order);

/// pixels = slope * stored + intercept.
void gather(std::span<const std::byte> stored, VoxelType type, const SliceLayout& layout, double slope,
            double intercept, std::span<float> pixels);

/// Stores pixels as `type`, integers rounded to the nearest. Returns the index of the first pixel that does not fit the
/// type, or pixels.size().
std::size_t scatter(std::span<const float> pixels, const SliceLayout& layout, VoxelType type,
                    std::span<std::byte> stored);
std::size_t scatter(std::span<const std::uint8_t> pixels, const SliceLayout& layout, VoxelType type,
                    std::span<std::byte> stored);

/// Reverses the bytes of each voxel.
void swap_bytes(std::span<std::byte> stored, VoxelType type);

}  // namespace pulmoseg::volume
