#include "pulmoseg/volume/matrix3.hpp"

#include <cmath>

namespace pulmoseg::volume {

double dot(const Vector3& a, const Vector3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

double norm(const Vector3& vector) { return std::sqrt(dot(vector, vector)); }

Vector3 subtract(const Vector3& a, const Vector3& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

Vector3 scale(const Vector3& vector, double factor) {
  return {vector[0] * factor, vector[1] * factor, vector[2] * factor};
}

Vector3 cross(const Vector3& a, const Vector3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double determinant(const Matrix3& matrix) { return dot(matrix[0], cross(matrix[1], matrix[2])); }

Matrix3 inverse(const Matrix3& matrix) {
  // The rows of the inverse are the cross products of the columns, divided by the determinant.
  const std::array<Vector3, 3> rows{cross(matrix[1], matrix[2]), cross(matrix[2], matrix[0]),
                                    cross(matrix[0], matrix[1])};
  const double det = determinant(matrix);
  Matrix3 result;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t r = 0; r < 3; ++r) result[c][r] = rows[r][c] / det;
  }
  return result;
}

Vector3 multiply(const Matrix3& matrix, const Vector3& vector) {
  Vector3 result{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t r = 0; r < 3; ++r) result[r] += matrix[c][r] * vector[c];
  }
  return result;
}

Matrix3 nearest_orthogonal(const Matrix3& matrix) {
  // Newton's iteration for the polar decomposition (Higham 1986): X <- (X + X^-T) / 2 converges quadratically.
  Matrix3 x = matrix;
  for (int iteration = 0; iteration < 100; ++iteration) {
    const Matrix3 inverted = inverse(x);
    double change = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t r = 0; r < 3; ++r) {
        const double next = 0.5 * (x[c][r] + inverted[r][c]);
        change = std::max(change, std::abs(next - x[c][r]));
        x[c][r] = next;
      }
    }
    if (change < 1e-15) break;
  }
  return x;
}

}  // namespace pulmoseg::volume
