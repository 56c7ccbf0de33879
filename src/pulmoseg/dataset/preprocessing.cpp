#include "pulmoseg/dataset/preprocessing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::dataset {
namespace {

constexpr const char* size_key = "pulmoseg.size";
constexpr const char* scaling_key = "pulmoseg.scaling";
constexpr const char* mean_key = "pulmoseg.mean";
constexpr const char* deviation_key = "pulmoseg.standard_deviation";
constexpr const char* scaling_name = "min-max-per-slice";

const std::string& entry(const std::map<std::string, std::string>& metadata, const char* key,
                         const std::string& source) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  throw Error(fmt::format("{}: has no {} in its metadata; write it with pulmoseg", source, key));
}

template <class Number>
Number number(const std::map<std::string, std::string>& metadata, const char* key, Number smallest,
              const std::string& source) {
  const std::string& text = entry(metadata, key, source);
  const auto value = parse_number<Number>(text);
  if (value && std::isfinite(static_cast<double>(*value)) && *value >= smallest) return *value;
  throw Error(
      fmt::format("{}: its metadata says {} = '{}', expected a number of at least {}", source, key, text, smallest));
}

/// Where an output pixel's centre lies between two input pixels of one axis.
struct Tap {
  std::int64_t low, high;
  float weight;  ///< of `high`
};

std::vector<Tap> bilinear_taps(std::int64_t in_length, std::int64_t out_length) {
  std::vector<Tap> taps(static_cast<std::size_t>(out_length));
  const double scale = static_cast<double>(in_length) / static_cast<double>(out_length);
  const auto last = static_cast<double>(in_length - 1);
  for (std::int64_t i = 0; i < out_length; ++i) {
    const double centre = std::clamp((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0, last);
    const auto low = static_cast<std::int64_t>(centre);
    taps[static_cast<std::size_t>(i)] = {low, std::min(low + 1, in_length - 1),
                                         static_cast<float>(centre - static_cast<double>(low))};
  }
  return taps;
}

}  // namespace

std::map<std::string, std::string> Preprocessing::to_metadata() const {
  return {{size_key, fmt::to_string(size)},
          {scaling_key, scaling_name},
          {mean_key, fmt::to_string(mean)},
          {deviation_key, fmt::to_string(standard_deviation)}};
}

Preprocessing Preprocessing::from_metadata(const std::map<std::string, std::string>& metadata,
                                           const std::string& source) {
  if (const auto& scaling = entry(metadata, scaling_key, source); scaling != scaling_name) {
    throw Error(
        fmt::format("{}: its metadata says {} = '{}', expected {}", source, scaling_key, scaling, scaling_name));
  }
  return {.size = number<std::int64_t>(metadata, size_key, 1, source),
          .mean = number<double>(metadata, mean_key, std::numeric_limits<double>::lowest(), source),
          .standard_deviation = number<double>(metadata, deviation_key, std::numeric_limits<double>::min(), source)};
}

void resize_bilinear(std::span<const float> in, std::int64_t rows, std::int64_t columns, std::span<float> out,
                     std::int64_t out_rows, std::int64_t out_columns) {
  if (rows == out_rows && columns == out_columns) {
    std::ranges::copy(in, out.begin());
    return;
  }
  const auto row_taps = bilinear_taps(rows, out_rows), column_taps = bilinear_taps(columns, out_columns);
  float* target = out.data();
  for (const Tap& row : row_taps) {
    const float* upper = in.data() + row.low * columns;
    const float* lower = in.data() + row.high * columns;
    for (const Tap& column : column_taps) {
      const float above = upper[column.low] + (upper[column.high] - upper[column.low]) * column.weight;
      const float below = lower[column.low] + (lower[column.high] - lower[column.low]) * column.weight;
      *target++ = above + (below - above) * row.weight;
    }
  }
}

void min_max_scale(std::span<float> pixels) {
  if (pixels.empty()) return;
  const auto [smallest, largest] = std::ranges::minmax(pixels);
  // In double: the range of two floats may be larger than a float.
  const double low = smallest, range = static_cast<double>(largest) - low;
  for (float& pixel : pixels) pixel = range > 0 ? static_cast<float>((pixel - low) / range) : 0.0F;
}

std::vector<float> preprocess(std::span<const float> pixels, std::int64_t rows, std::int64_t columns,
                              const Preprocessing& preprocessing) {
  std::vector<float> image(static_cast<std::size_t>(preprocessing.size * preprocessing.size));
  resize_bilinear(pixels, rows, columns, image, preprocessing.size, preprocessing.size);
  min_max_scale(image);
  return image;
}

void normalise(std::span<float> pixels, const Preprocessing& preprocessing) {
  if (preprocessing.mean == 0.0 && preprocessing.standard_deviation == 1.0) return;
  for (float& pixel : pixels) {
    pixel = static_cast<float>((pixel - preprocessing.mean) / preprocessing.standard_deviation);
  }
}

}  // namespace pulmoseg::dataset
