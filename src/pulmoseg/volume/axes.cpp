#include "pulmoseg/volume/axes.hpp"

#include <fmt/format.h>

#include <cmath>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::volume {
namespace {

bool is_finite(const Vector3& vector) {
  return std::isfinite(vector[0]) && std::isfinite(vector[1]) && std::isfinite(vector[2]);
}

}  // namespace

Geometry geometry_from_steps(const std::array<std::int64_t, 3>& size, const Matrix3& steps, const Vector3& origin,
                             const std::filesystem::path& file) {
  Geometry geometry{
      .size = size, .spacing = {}, .origin = {origin[0] + 0.0, origin[1] + 0.0, origin[2] + 0.0}};  // no -0
  if (!is_finite(geometry.origin)) {
    throw Error(fmt::format("{}: has the origin ({}, {}, {}), expected finite numbers; repair its header",
                            file.string(), geometry.origin[0], geometry.origin[1], geometry.origin[2]));
  }
  for (std::size_t c = 0; c < 3; ++c) {
    geometry.spacing[c] = norm(steps[c]);
    // Below a picometre and above a kilometre, the header holds something else than a spacing.
    if (!(geometry.spacing[c] > 1e-9 && geometry.spacing[c] < 1e6)) {
      throw Error(
          fmt::format("{}: has a voxel spacing of {} mm along axis {}, expected a positive number; repair its header",
                      file.string(), geometry.spacing[c], c + 1));
    }
    for (std::size_t r = 0; r < 3; ++r) geometry.direction[c][r] = steps[c][r] / geometry.spacing[c] + 0.0;  // no -0
  }
  if (std::abs(determinant(geometry.direction)) < 1e-3) {
    throw Error(
        fmt::format("{}: has axes that lie in one plane (a singular affine), expected three independent directions; "
                    "repair its header",
                    file.string()));
  }
  return geometry;
}

std::uint64_t voxel_bytes(const std::array<std::int64_t, 3>& size, std::size_t bytes_per_voxel,
                          const std::filesystem::path& file) {
  std::uint64_t bytes = bytes_per_voxel;
  bool valid = true;
  for (const std::int64_t length : size) {
    valid = valid && length > 0 && !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(length), &bytes);
  }
  if (!valid || bytes > std::uint64_t{1} << 62) {
    throw Error(fmt::format("{}: has the size {}x{}x{}, expected positive numbers of voxels; the file is damaged",
                            file.string(), size[0], size[1], size[2]));
  }
  return bytes;
}

}  // namespace pulmoseg::volume
