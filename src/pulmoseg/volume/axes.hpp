#pragma once
// From the axes that a header declares to a checked Geometry. Internal to volume/.

#include <filesystem>

#include "pulmoseg/volume/matrix3.hpp"

namespace pulmoseg::volume {

/// A geometry whose axis c steps by steps[c] mm (LPS) from voxel to voxel.
/// Error that names `file`: a step or an origin that is not finite, a step of zero, axes that lie in one plane.
Geometry geometry_from_steps(const std::array<std::int64_t, 3>& size, const Matrix3& steps, const Vector3& origin,
                             const std::filesystem::path& file);

/// bytes of all voxels. Error that names `file` when the sizes are not positive or their product overflows.
std::uint64_t voxel_bytes(const std::array<std::int64_t, 3>& size, std::size_t bytes_per_voxel,
                          const std::filesystem::path& file);

}  // namespace pulmoseg::volume
