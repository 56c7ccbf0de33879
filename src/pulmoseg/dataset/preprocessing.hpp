#pragma once
// From a CT slice to the network's input, the same for training and for new scans:
//
//   raw slice ── preprocess() ──► image in [0, 1], as a dataset holds it ── finish() ──► the network's input
//
// preprocess(): a slice in Hounsfield units is cut to a window, where there is one; resized to size x size in float32;
// scaled to [0, 1] by its own smallest and largest pixel. finish(): contrast-limited equalisation, where it is wanted, then
// (x - mean) / standard_deviation.
//
// Pixel centres lie at half integers on both grids (as OpenCV, and PyTorch with align_corners=False), so that an image
// and its mask never shift against each other. There is no antialiasing.
//
// All functions here are pure and safe to call from several threads.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pulmoseg::dataset {

/// Hounsfield units that become black and white.
struct Window {
  double low = 0, high = 0;
  bool operator==(const Window&) const = default;
};

struct Preprocessing {
  std::int64_t size = 256;  ///< rows and columns of the network's input
  /// Slices in Hounsfield units (is_hounsfield()) are cut to it. Pictures, which someone has cut before, stay as they are.
  std::optional<Window> window = {};
  double equalisation = 0.0;  ///< clip limit of dataset/clahe.hpp, 0: none
  /// Left open until a case is there: equalise it only if that makes it look more like those that the model has seen. Before
  /// EqualisationChoice (dataset/familiarity.hpp) has decided, and in training, nothing is equalised.
  bool equalise_unfamiliar = false;
  double mean = 0.0;                ///< subtracted after that
  double standard_deviation = 1.0;  ///< divided by, last
  std::int64_t neighbours = 0;      ///< slices on either side that the network sees as further channels (2.5-D)

  static constexpr std::int64_t most_neighbours = 16;
  std::int64_t channels() const { return 2 * neighbours + 1; }

  /// As text for a model file: "pulmoseg.size", "pulmoseg.scaling" (always "min-max-per-slice"), "pulmoseg.mean",
  /// "pulmoseg.standard_deviation"; where they are wanted, also "pulmoseg.hounsfield_window" ("low high"),
  /// "pulmoseg.equalisation", "pulmoseg.equalise" ("unfamiliar"), "pulmoseg.neighbours".
  std::map<std::string, std::string> to_metadata() const;

  /// Error, beginning with `source`, when one of these keys holds something else, or one of the first four is missing.
  /// Other keys are left alone.
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

/// Whether a slice's smallest value is that of air in Hounsfield units, -900 or below. A chest slice always holds air.
bool is_hounsfield(std::span<const float> pixels);

/// Whether there is anything to see: pixels that are not all equal, and in Hounsfield units one in a thousand that is denser than
/// -500, which air is not.
bool holds_body(std::span<const float> pixels);

/// The image as it stands in a dataset: windowed, resized and scaled to [0, 1], size * size pixels.
std::vector<float> preprocess(std::span<const float> pixels, std::int64_t rows, std::int64_t columns,
                              const Preprocessing& preprocessing);

/// The two steps from there to the network's input, in place: equalisation of one image, then mean and deviation. The image
/// may have another size than preprocessing.size.
void equalise(std::span<float> image, std::int64_t rows, std::int64_t columns, const Preprocessing& preprocessing);
void normalise(std::span<float> pixels, const Preprocessing& preprocessing);
void finish(std::span<float> image, std::int64_t rows, std::int64_t columns, const Preprocessing& preprocessing);

}  // namespace pulmoseg::dataset
