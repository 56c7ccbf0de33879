#pragma once
// Masks (label images) brought onto the grid of their image.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "pulmoseg/volume/volume.hpp"

namespace pulmoseg::volume {

/// Each voxel of `grid` takes the label of the mask voxel in which its centre lies (index floor(x + 1/2)); outside is
/// 0.
Volume resample_nearest(const Volume& mask, const Geometry& grid);

/// Reads a mask for an image whose canonical grid is `image_grid` (VolumeReader::geometry()):
/// - on the same grid (same_grid; the stored axis order does not matter): as it is;
/// - of the same stored size, where one of the two headers declares no position: voxel by voxel, with a warning in the
/// log;
/// - where both headers declare a position and no labelled voxel lies outside of the image: resampled with
///   resample_nearest, with a note in the log;
/// - otherwise: Error that names both geometries.
Volume read_mask_on_grid(const std::filesystem::path& mask, const SourceInfo& image, const Geometry& image_grid);

/// What had to be done to a mask to bring it onto its image's grid.
enum class MaskFit { same_grid, voxel_by_voxel, resampled };

/// Receives canonical slice `index`: rows x columns labels on the image's grid, row-major.
using OnMaskSlice = std::function<void(std::int64_t index, std::span<const std::uint8_t> labels)>;

/// The same in little memory: hands out each slice of the mask once, in any order. One slice is held at a time; of a
/// mask that needs resampling, one byte a voxel. Error also for a value that is no whole number from 0 to 255: such a
/// label would be lost by rounding.
MaskFit visit_mask_on_grid(const std::filesystem::path& mask, const SourceInfo& image, const Geometry& image_grid,
                           const OnMaskSlice& on_slice);

}  // namespace pulmoseg::volume
