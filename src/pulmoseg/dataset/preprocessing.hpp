#pragma once
// From a CT slice to the network's input, the same for training and for new scans:
// resize to size x size in float32, then min-max scale the slice to [0, 1], then (x - mean) / standard_deviation.
//
// Pixel centres lie at half integers on both grids (as OpenCV, and PyTorch with align_corners=False), so that an image
// and its mask never shift against each other. There is no antialiasing.
//
// All functions here are pure and safe to call from several threads.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace pulmoseg::dataset {

struct Preprocessing {
  std::int64_t size = 256;          ///< rows and columns of the network's input
  double mean = 0.0;                ///< subtracted after the scaling to [0, 1]
  double standard_deviation = 1.0;  ///< divided by, after that

  /// As text for a model file: "pulmoseg.size", "pulmoseg.scaling" (always "min-max-per-slice"), "pulmoseg.mean",
  /// "pulmoseg.standard_deviation".
  std::map<std::string, std::string> to_metadata() const;

  /// Error, beginning with `source`, when one of these keys is missing or holds something else. Other keys are left alone.
  static Preprocessing from_metadata(const std::map<std::string, std::string>& metadata, const std::string& source);

  bool operator==(const Preprocessing&) const = default;
};

/// Bilinear, beyond the outermost pixel centres the edge pixel. `in` is rows x columns, `out` is out_rows x
/// out_columns, both row-major. Sizes that are equal copy. Equals cv2.resize(INTER_LINEAR), and PyTorch's
/// interpolate(mode='bilinear') of doubles; of floats, PyTorch rounds the places of the pixels where out_length is no
/// power of two.
void resize_bilinear(std::span<const float> in, std::int64_t rows, std::int64_t columns, std::span<float> out,
                     std::int64_t out_rows, std::int64_t out_columns);

/// The source index that nearest neighbour takes for output index i: floor((i + 1/2) * in_length / out_length), in
/// whole numbers. Equals PyTorch's `nearest-exact` and OpenCV's INTER_NEAREST_EXACT, but for centres that fall exactly
/// onto a border where out_length is no power of two: there each of the two rounds in its own way.
constexpr std::int64_t nearest_index(std::int64_t i, std::int64_t in_length, std::int64_t out_length) {
  return (2 * i + 1) * in_length / (2 * out_length);
}

/// Nearest neighbour with the same pixel centres, for masks and labels.
template <class T>
void resize_nearest(std::span<const T> in, std::int64_t rows, std::int64_t columns, std::span<T> out,
                    std::int64_t out_rows, std::int64_t out_columns) {
  T* target = out.data();
  for (std::int64_t row = 0; row < out_rows; ++row) {
    const T* source = in.data() + nearest_index(row, rows, out_rows) * columns;
    for (std::int64_t column = 0; column < out_columns; ++column) {
      *target++ = source[nearest_index(column, columns, out_columns)];
    }
  }
}

/// Scales finite pixels so that the smallest becomes 0 and the largest 1. A constant slice becomes 0.
void min_max_scale(std::span<float> pixels);

/// The image as it stands in a dataset: resized and scaled to [0, 1], size * size pixels. mean and standard deviation
/// are not applied yet.
std::vector<float> preprocess(std::span<const float> pixels, std::int64_t rows, std::int64_t columns,
                              const Preprocessing& preprocessing);

/// The last step: (x - mean) / standard_deviation.
void normalise(std::span<float> pixels, const Preprocessing& preprocessing);

}  // namespace pulmoseg::dataset
