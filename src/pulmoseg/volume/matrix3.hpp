#pragma once
// The little linear algebra that axes need. Internal to volume/.

#include <array>

#include "pulmoseg/volume/geometry.hpp"

namespace pulmoseg::volume {

/// A 3x3 matrix as its columns: matrix[c][r].
using Matrix3 = std::array<Vector3, 3>;

double norm(const Vector3& vector);
Vector3 subtract(const Vector3& a, const Vector3& b);
Vector3 scale(const Vector3& vector, double factor);
Vector3 cross(const Vector3& a, const Vector3& b);
double dot(const Vector3& a, const Vector3& b);
double determinant(const Matrix3& matrix);
Matrix3 inverse(const Matrix3& matrix);  ///< of a matrix that is not singular
Vector3 multiply(const Matrix3& matrix, const Vector3& vector);

/// The orthogonal matrix nearest to one that is not singular (its polar factor; a mirroring stays one).
Matrix3 nearest_orthogonal(const Matrix3& matrix);

}  // namespace pulmoseg::volume
