#pragma once
// How far the surfaces of two masks lie apart: beside Dice, which says how much of them overlaps, what a reader sees.
//
// The surface of a mask is its voxels with a face neighbour outside of it; the grid ends in background. Distances run between
// the centres of surface voxels. So do MONAI's compute_surface_dice and compute_hausdorff_distance (without subvoxels), which
// these figures equal. (DeepMind's surface-distance weighs by area between voxels and gives other numbers.)
//
//   | masks                            | normalised_surface_dice | hausdorff_95 |
//   | no lesion in truth, none found   | –                       | –            |
//   | lesion in one of the two only    | 0                       | –            |
//
// – is nullopt: no distance exists. Everything here is a pure function; threads may call it as they like.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace pulmoseg::metrics {

/// Of a mask: columns lie next to each other in memory, then rows, then slices. With one slice, the mask is a picture and its
/// surface an outline.
struct MaskGrid {
  std::array<std::int64_t, 3> size{};            ///< columns, rows, slices
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< between voxels; its unit (mm, or pixels) is that of all distances
};

/// One value for each surface voxel: the way to the nearest of the other mask, infinite where that is empty.
struct SurfaceDistances {
  std::vector<double> from_prediction, from_truth;
};

/// Every value but 0 is in the mask. Error when a mask is not of the grid's size or a spacing is not above 0.
/// Time: linear in the box around both masks (exact distance transform: Felzenszwalb & Huttenlocher, "Distance Transforms of
/// Sampled Functions", 2012). Memory: 6 bytes a voxel of that box, and the distances.
SurfaceDistances surface_distances(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                                   const MaskGrid& grid);

/// The share of both surfaces that lies within `tolerance` of the other (Nikolov et al., "Clinically applicable segmentation of
/// head and neck anatomy", 2021), in voxels of surface.
std::optional<double> normalised_surface_dice(const SurfaceDistances& distances, double tolerance);

/// The larger of the two directions' 95th percentiles (numpy's, linear).
std::optional<double> hausdorff_95(const SurfaceDistances& distances);

}  // namespace pulmoseg::metrics
