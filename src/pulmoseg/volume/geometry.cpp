#include "pulmoseg/volume/geometry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/volume/matrix3.hpp"

namespace pulmoseg::volume {
namespace {

constexpr double grid_tolerance_voxels = 0.01;

/// Steps in mm for one index step along each axis.
Matrix3 steps(const Geometry& geometry) {
  Matrix3 matrix = geometry.direction;
  for (std::size_t c = 0; c < 3; ++c) {
    for (double& component : matrix[c]) component *= geometry.spacing[c];
  }
  return matrix;
}

char axis_letter(const Vector3& direction) {
  std::size_t largest = 0;
  for (std::size_t r = 1; r < 3; ++r) {
    if (std::abs(direction[r]) > std::abs(direction[largest])) largest = r;
  }
  return direction[largest] >= 0 ? "LPS"[largest] : "RAI"[largest];
}

/// Four decimals say a tenth of a micrometre; a shorter number is not padded.
std::string number(double value) {
  const double rounded = std::round(value * 1e4) / 1e4;
  return fmt::format("{}", rounded == 0 ? 0.0 : rounded);  // no "-0"
}

}  // namespace

Vector3 index_to_point(const Geometry& geometry, const Vector3& index) {
  Vector3 point = multiply(steps(geometry), index);
  for (std::size_t r = 0; r < 3; ++r) point[r] += geometry.origin[r];
  return point;
}

Vector3 point_to_index(const Geometry& geometry, const Vector3& point) {
  return multiply(inverse(steps(geometry)), subtract(point, geometry.origin));
}

double voxel_volume_mm3(const Geometry& geometry) { return std::abs(determinant(steps(geometry))); }

bool same_grid(const Geometry& a, const Geometry& b) {
  if (a.size != b.size) return false;
  for (int corner = 0; corner < 8; ++corner) {
    Vector3 index;
    for (std::size_t c = 0; c < 3; ++c) index[c] = corner >> c & 1 ? static_cast<double>(a.size[c] - 1) : 0.0;
    const Vector3 seen = point_to_index(a, index_to_point(b, index));
    for (std::size_t c = 0; c < 3; ++c) {
      if (!(std::abs(seen[c] - index[c]) <= grid_tolerance_voxels)) return false;
    }
  }
  return true;
}

std::string describe(const Geometry& geometry) {
  return fmt::format("{}x{}x{}, spacing {}x{}x{} mm, origin ({}, {}, {}), axes {}-{}-{}", geometry.size[0],
                     geometry.size[1], geometry.size[2], number(geometry.spacing[0]), number(geometry.spacing[1]),
                     number(geometry.spacing[2]), number(geometry.origin[0]), number(geometry.origin[1]),
                     number(geometry.origin[2]), axis_letter(geometry.direction[0]), axis_letter(geometry.direction[1]),
                     axis_letter(geometry.direction[2]));
}

AxisOrder canonical_order(const Geometry& stored) {
  const Matrix3 frame = nearest_orthogonal(stored.direction);
  const auto clarity = [&](int c) {
    const Vector3& axis = frame[static_cast<std::size_t>(c)];
    return std::max({std::abs(axis[0]), std::abs(axis[1]), std::abs(axis[2])});
  };
  std::array<int, 3> clearest_first{0, 1, 2};
  std::stable_sort(clearest_first.begin(), clearest_first.end(), [&](int a, int b) { return clarity(a) > clarity(b); });

  AxisOrder order;
  std::array<bool, 3> taken{};
  for (const int c : clearest_first) {
    const Vector3& axis = frame[static_cast<std::size_t>(c)];
    std::size_t best = 3;
    for (std::size_t r = 0; r < 3; ++r) {
      if (!taken[r] && (best == 3 || std::abs(axis[r]) > std::abs(axis[best]))) best = r;
    }
    taken[best] = true;
    order.axis[best] = c;
    order.flipped[best] = axis[best] < 0;
  }
  return order;
}

Geometry reorder(const Geometry& stored, const AxisOrder& order) {
  Geometry result;
  Vector3 first{};  // where the new voxel (0, 0, 0) stands in the stored order
  for (std::size_t c = 0; c < 3; ++c) {
    const auto axis = static_cast<std::size_t>(order.axis[c]);
    result.size[c] = stored.size[axis];
    result.spacing[c] = stored.spacing[axis];
    result.direction[c] = stored.direction[axis];
    if (!order.flipped[c]) continue;
    first[axis] = static_cast<double>(stored.size[axis] - 1);
    for (double& component : result.direction[c]) component = component == 0 ? 0.0 : -component;
  }
  result.origin = index_to_point(stored, first);
  return result;
}

}  // namespace pulmoseg::volume
