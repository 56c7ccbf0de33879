#include "pulmoseg/volume/nifti_geometry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/axes.hpp"

namespace pulmoseg::volume {
namespace {

struct Affine {  // RAS
  Matrix3 steps{};
  Vector3 origin{};
};

double millimetres_per_unit(int xyzt_units) {
  switch (xyzt_units & 7) {
    case 1: return 1000;   // NIFTI_UNITS_METER
    case 3: return 0.001;  // NIFTI_UNITS_MICRON
    default: return 1;
  }
}

Affine affine_from_sform(const NiftiHeader& header) {
  Affine affine;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) affine.steps[c][r] = header.srow[r][c];
    affine.origin[r] = header.srow[r][3];
  }
  return affine;
}

Matrix3 rotation_from_quaternion(const Vector3& bcd) {
  double a = 0, b = bcd[0], c = bcd[1], d = bcd[2];
  const double rest = 1 - (b * b + c * c + d * d);
  if (rest < 1e-7) {  // half a turn, up to the rounding of the three that are kept
    const double length = std::sqrt(b * b + c * c + d * d);
    b /= length;
    c /= length;
    d /= length;
  } else {
    a = std::sqrt(rest);
  }
  return {{{a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)},
           {2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)},
           {2 * (b * d + a * c), 2 * (c * d - a * b), a * a + d * d - b * b - c * c}}};
}

Affine affine_from_qform(const NiftiHeader& header) {
  Affine affine{.steps = rotation_from_quaternion(header.quatern), .origin = header.qoffset};
  const double qfac = header.pixdim[0] < 0 ? -1 : 1;
  for (std::size_t c = 0; c < 3; ++c) {
    const double spacing = header.pixdim[c + 1] * (c == 2 ? qfac : 1);
    for (double& component : affine.steps[c]) component *= spacing;
  }
  return affine;
}

Affine affine_from_spacing(const NiftiHeader& header, const std::array<std::int64_t, 3>& size) {
  Affine affine;
  for (std::size_t c = 0; c < 3; ++c) {
    const double step = c == 0 ? -header.pixdim[1] : header.pixdim[c + 1];
    affine.steps[c][c] = step;
    affine.origin[c] = -step * static_cast<double>(size[c] - 1) / 2;
  }
  return affine;
}

/// Spacing along a third axis that a 2-D header does not have may be anything.
NiftiHeader with_third_axis(NiftiHeader header) {
  if (header.dim[0] < 3) {
    header.dim[3] = 1;
    if (!(header.pixdim[3] > 0)) header.pixdim[3] = 1;
  }
  return header;
}

std::array<std::int64_t, 3> read_size(const NiftiHeader& header, const std::filesystem::path& file) {
  const std::int64_t dimensions = header.dim[0];
  if (dimensions < 2 || dimensions > 7) {
    throw Error(fmt::format("{}: is {}-dimensional, expected one 2-D slice or 3-D volume", file.string(), dimensions));
  }
  for (std::int64_t d = 4; d <= dimensions; ++d) {
    const std::int64_t frames = header.dim[static_cast<std::size_t>(d)];
    if (frames > 1) {
      throw Error(fmt::format("{}: has {} dimensions ({} frames), expected one 3-D volume; extract one frame first",
                              file.string(), dimensions, frames));
    }
  }
  return {header.dim[1], header.dim[2], header.dim[3]};
}

/// Where pixdim places the voxels, a negative one would mirror them.
void require_no_mirroring(const NiftiHeader& header, const std::filesystem::path& file) {
  for (std::size_t c = 1; c <= 3; ++c) {
    if (!(header.pixdim[c] < 0)) continue;
    throw Error(
        fmt::format("{}: has a voxel spacing of {} mm along axis {}, expected a positive number; repair its header",
                    file.string(), header.pixdim[c], c));
  }
}

/// b, c, d of the rotation (the matrix of a proper one), nifti1.h's way back.
Vector3 quaternion_from_rotation(const Matrix3& m) {
  const auto element = [&](std::size_t row, std::size_t column) { return m[column][row]; };
  const double trace = element(0, 0) + element(1, 1) + element(2, 2);
  if (trace > 0) {
    const double a = 0.5 * std::sqrt(1 + trace);
    return {(element(2, 1) - element(1, 2)) / (4 * a), (element(0, 2) - element(2, 0)) / (4 * a),
            (element(1, 0) - element(0, 1)) / (4 * a)};
  }
  std::size_t i = 0;  // the largest of b, c, d is taken from the diagonal, the others follow
  if (element(1, 1) > element(i, i)) i = 1;
  if (element(2, 2) > element(i, i)) i = 2;
  const std::size_t j = (i + 1) % 3, k = (i + 2) % 3;
  Vector3 bcd;
  bcd[i] = 0.5 * std::sqrt(std::max(0.0, 1 + element(i, i) - element(j, j) - element(k, k)));
  bcd[j] = (element(j, i) + element(i, j)) / (4 * bcd[i]);
  bcd[k] = (element(k, i) + element(i, k)) / (4 * bcd[i]);
  const double a = (element(k, j) - element(j, k)) / (4 * bcd[i]);
  if (a < 0) bcd = {-bcd[0], -bcd[1], -bcd[2]};
  return bcd;
}

void set_qform(NiftiHeader& header, const Geometry& geometry, const Vector3& origin) {
  Matrix3 axes = geometry.direction;
  for (Vector3& axis : axes) axis = {-axis[0], -axis[1], axis[2]};
  Matrix3 rotation = nearest_orthogonal(axes);
  double shear = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t r = 0; r < 3; ++r) shear = std::max(shear, std::abs(rotation[c][r] - axes[c][r]));
  }
  if (shear > 1e-4) return;  // a quaternion cannot say it
  header.pixdim[0] = determinant(rotation) < 0 ? -1 : 1;
  for (double& component : rotation[2]) component *= header.pixdim[0];
  header.quatern = quaternion_from_rotation(rotation);
  header.qoffset = origin;
  header.qform_code = 1;
}

}  // namespace

NiftiPlace nifti_place(const NiftiHeader& stored, const std::filesystem::path& file) {
  const NiftiHeader header = with_third_axis(stored);
  const auto size = read_size(header, file);
  voxel_bytes(size, 1, file);
  NiftiPlace place;
  place.dimensions = stored.dim[0] < 3 ? 2 : 3;
  place.has_geometry = header.sform_code > 0 || header.qform_code > 0;
  if (header.sform_code <= 0) require_no_mirroring(header, file);
  Affine affine = header.sform_code > 0   ? affine_from_sform(header)
                  : header.qform_code > 0 ? affine_from_qform(header)
                                          : affine_from_spacing(header, size);
  const double unit = millimetres_per_unit(header.xyzt_units);
  const Vector3 to_lps{-unit, -unit, unit};
  for (std::size_t r = 0; r < 3; ++r) {
    for (Vector3& step : affine.steps) step[r] *= to_lps[r];
    affine.origin[r] *= to_lps[r];
  }
  place.geometry = geometry_from_steps(size, affine.steps, affine.origin, file);
  return place;
}

double affine_disagreement(const NiftiHeader& header) {
  if (header.qform_code <= 0 || header.sform_code <= 0) return 0;
  const Affine q = affine_from_qform(header), s = affine_from_sform(header);
  double apart = 0;
  for (std::size_t row = 0; row < 3; ++row) {
    double between = q.origin[row] - s.origin[row];
    apart = std::max(apart, std::abs(between));
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto last = static_cast<double>(std::max<std::int64_t>(header.dim[axis + 1], 1) - 1);
      between += (q.steps[axis][row] - s.steps[axis][row]) * last;
    }
    apart = std::max(apart, std::abs(between));
  }
  return apart * millimetres_per_unit(header.xyzt_units);
}

NiftiHeader nifti_header_for(const SourceInfo& like) {
  const Geometry& geometry = like.stored_geometry;
  NiftiHeader header;
  const bool wide = std::any_of(geometry.size.begin(), geometry.size.end(), [](std::int64_t n) { return n > 32767; });
  header.version = wide ? 2 : 1;
  header.dim = {like.dimensions, geometry.size[0], geometry.size[1], geometry.size[2], 1, 1, 1, 1};
  header.pixdim = {1, geometry.spacing[0], geometry.spacing[1], geometry.spacing[2], 0, 0, 0, 0};
  header.xyzt_units = 2;  // NIFTI_UNITS_MM
  if (!like.has_geometry) return header;
  const Vector3 origin{-geometry.origin[0], -geometry.origin[1], geometry.origin[2]};
  set_qform(header, geometry, origin);
  header.sform_code = 1;  // NIFTI_XFORM_SCANNER_ANAT
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) {
      header.srow[r][c] = (r < 2 ? -1 : 1) * geometry.direction[c][r] * geometry.spacing[c];
    }
    header.srow[r][3] = origin[r];
  }
  return header;
}

}  // namespace pulmoseg::volume
