#pragma once
// Where the voxels of a volume lie in the patient.
//
// Coordinates are DICOM's: millimetres, x to the patient's left, y to posterior, z to superior (LPS). Indices count
// voxel centres from 0: columns (i), rows (j), slices (k). The axes need not be orthogonal (gantry tilt, shear).
//
// "Canonical" is the orientation in which all other rooms see every volume: columns to the patient's left, rows to
// posterior, slices to superior, each stored axis assigned to the one it is nearest to.
//
// Pure functions without state: safe from any thread. They expect a geometry with non-singular axes.

#include <array>
#include <cstdint>
#include <string>

namespace pulmoseg::volume {

using Vector3 = std::array<double, 3>;

struct Geometry {
  std::array<std::int64_t, 3> size{};  ///< columns, rows, slices
  Vector3 spacing{1, 1, 1};            ///< mm between the centres of neighbours along each axis
  Vector3 origin{0, 0, 0};             ///< the centre of voxel (0, 0, 0)
  std::array<Vector3, 3> direction{
      {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};  ///< direction[c]: unit vector along index axis c
};

Vector3 index_to_point(const Geometry& geometry, const Vector3& index);
Vector3 point_to_index(const Geometry& geometry, const Vector3& point);

/// Volume of one voxel: |det(direction)| times the spacings.
double voxel_volume_mm3(const Geometry& geometry);

/// Equal size, and the outermost voxels lie in the same places within a hundredth of a voxel: what is left when one
/// tool keeps the axes as float32 matrix, the next as quaternion and the third as decimal text.
bool same_grid(const Geometry& a, const Geometry& b);

/// "630x630x45, spacing 0.7x0.7x5 mm, origin (-220.5, -220.5, 12), axes L-P-S": an axis is named by the letter
/// (L/R, P/A, S/I) that it runs towards.
std::string describe(const Geometry& geometry);

/// How a canonical volume lies in the stored one: canonical axis c is stored axis axis[c], reversed when flipped[c].
struct AxisOrder {
  std::array<int, 3> axis{0, 1, 2};
  std::array<bool, 3> flipped{};
};

/// The order that turns `stored` canonical. Oblique and sheared axes: the nearest orthogonal frame decides, the
/// clearest axis first, as nibabel's io_orientation, so that each stored axis gets one patient axis of its own.
AxisOrder canonical_order(const Geometry& stored);

/// The same voxels in the same places, numbered in another order.
Geometry reorder(const Geometry& stored, const AxisOrder& order);

}  // namespace pulmoseg::volume
