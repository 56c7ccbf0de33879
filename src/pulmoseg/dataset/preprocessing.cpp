#include "pulmoseg/dataset/preprocessing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/dataset/clahe.hpp"

namespace pulmoseg::dataset {
namespace {

constexpr const char* size_key = "pulmoseg.size";
constexpr const char* scaling_key = "pulmoseg.scaling";
constexpr const char* mean_key = "pulmoseg.mean";
constexpr const char* deviation_key = "pulmoseg.standard_deviation";
constexpr const char* scaling_name = "min-max-per-slice";
constexpr const char* window_key = "pulmoseg.hounsfield_window";
constexpr const char* equalisation_key = "pulmoseg.equalisation";
constexpr const char* equalise_key = "pulmoseg.equalise";
constexpr const char* equalise_unfamiliar_name = "unfamiliar";
constexpr const char* neighbours_key = "pulmoseg.neighbours";
constexpr float air = -900;  ///< Hounsfield units; air has -1000, scanners are off by some tens

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

/// "-1250 250", the lower first.
std::optional<Window> parse_window(const std::map<std::string, std::string>& metadata, const std::string& source) {
  const auto found = metadata.find(window_key);
  if (found == metadata.end()) return std::nullopt;
  const std::string& text = found->second;
  const auto space = std::min(text.find(' '), text.size());
  const auto low = parse_number<double>(text.substr(0, space));
  const auto high = space < text.size() ? parse_number<double>(text.substr(space + 1)) : std::nullopt;
  if (low && high && std::isfinite(*low) && std::isfinite(*high) && *low < *high) return Window{*low, *high};
  throw Error(
      fmt::format("{}: its metadata says {} = '{}', expected two numbers, the lower first", source, window_key, text));
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

struct Extremes {
  float low = 0, high = 0;
};

/// Of no pixels, zeros. Many at a time: compilers turn this into vector instructions, one after the other they do not.
Extremes extremes(std::span<const float> pixels) {
  constexpr std::size_t lanes = 32;
  if (pixels.empty()) return {};
  std::array<float, lanes> low, high;
  low.fill(pixels.front());
  high.fill(pixels.front());
  const auto take = [&](const float* from, std::size_t count) {
    for (std::size_t lane = 0; lane < count; ++lane) {
      low[lane] = from[lane] < low[lane] ? from[lane] : low[lane];
      high[lane] = from[lane] > high[lane] ? from[lane] : high[lane];
    }
  };
  std::size_t done = 0;
  for (; done + lanes <= pixels.size(); done += lanes) take(pixels.data() + done, lanes);
  take(pixels.data() + done, pixels.size() - done);
  return {std::ranges::min(low), std::ranges::max(high)};
}

}  // namespace

std::map<std::string, std::string> Preprocessing::to_metadata() const {
  std::map<std::string, std::string> metadata{{size_key, fmt::to_string(size)},
                                              {scaling_key, scaling_name},
                                              {mean_key, fmt::to_string(mean)},
                                              {deviation_key, fmt::to_string(standard_deviation)}};
  if (window) metadata[window_key] = fmt::format("{} {}", window->low, window->high);
  if (equalisation > 0) metadata[equalisation_key] = fmt::to_string(equalisation);
  if (equalise_unfamiliar) metadata[equalise_key] = equalise_unfamiliar_name;
  if (neighbours > 0) metadata[neighbours_key] = fmt::to_string(neighbours);
  return metadata;
}

Preprocessing Preprocessing::from_metadata(const std::map<std::string, std::string>& metadata,
                                           const std::string& source) {
  if (const auto& scaling = entry(metadata, scaling_key, source); scaling != scaling_name) {
    throw Error(
        fmt::format("{}: its metadata says {} = '{}', expected {}", source, scaling_key, scaling, scaling_name));
  }
  const auto optional_number = [&]<class Number>(const char* key, Number otherwise) {
    return metadata.contains(key) ? number(metadata, key, Number{0}, source) : otherwise;
  };
  const auto neighbours = optional_number(neighbours_key, std::int64_t{0});
  if (neighbours > most_neighbours)
    throw Error(fmt::format("{}: its metadata says {} = {}, expected 0 to {}", source, neighbours_key, neighbours,
                            most_neighbours));
  const auto equalise = metadata.find(equalise_key);
  if (equalise != metadata.end() && equalise->second != equalise_unfamiliar_name)
    throw Error(fmt::format("{}: its metadata says {} = '{}', expected {}", source, equalise_key, equalise->second,
                            equalise_unfamiliar_name));
  return {.size = number<std::int64_t>(metadata, size_key, 1, source),
          .window = parse_window(metadata, source),
          .equalisation = optional_number(equalisation_key, 0.0),
          .equalise_unfamiliar = equalise != metadata.end(),
          .mean = number<double>(metadata, mean_key, std::numeric_limits<double>::lowest(), source),
          .standard_deviation = number<double>(metadata, deviation_key, std::numeric_limits<double>::min(), source),
          .neighbours = neighbours};
}

void resize_bilinear(std::span<const float> in, std::int64_t rows, std::int64_t columns, std::span<float> out,
                     std::int64_t out_rows, std::int64_t out_columns) {
  if (rows == out_rows && columns == out_columns) {
    std::ranges::copy(in, out.begin());
    return;
  }
  const auto row_taps = bilinear_taps(rows, out_rows), column_taps = bilinear_taps(columns, out_columns);
  const auto width = static_cast<std::size_t>(out_columns);
  std::array<std::vector<float>, 2> wide;  // two rows of `in` at the width of `out`, from one output row to the next
  std::array<std::int64_t, 2> wide_row{-1, -1};
  const auto widened = [&](std::int64_t row) -> const std::vector<float>& {
    const auto slot = static_cast<std::size_t>(row % 2);  // neighbouring rows have two
    if (wide_row[slot] == row) return wide[slot];
    const float* from = in.data() + row * columns;
    wide[slot].resize(width);
    std::ranges::transform(column_taps, wide[slot].begin(), [from](const Tap& column) {
      return from[column.low] + (from[column.high] - from[column.low]) * column.weight;
    });
    wide_row[slot] = row;
    return wide[slot];
  };
  float* target = out.data();
  for (const Tap& row : row_taps) {
    const std::vector<float>&above = widened(row.low), &below = widened(row.high);
    for (std::size_t column = 0; column < width; ++column)
      *target++ = above[column] + (below[column] - above[column]) * row.weight;
  }
}

void min_max_scale(std::span<float> pixels) {
  const auto [smallest, largest] = extremes(pixels);
  // In double: the range of two floats may be larger than a float.
  const double low = smallest, range = static_cast<double>(largest) - low;
  for (float& pixel : pixels) pixel = range > 0 ? static_cast<float>((pixel - low) / range) : 0.0F;
}

std::vector<float> preprocess(std::span<const float> pixels, std::int64_t rows, std::int64_t columns,
                              const Preprocessing& preprocessing) {
  std::vector<float> cut;
  if (preprocessing.window && is_hounsfield(pixels)) {
    const auto low = static_cast<float>(preprocessing.window->low),
               high = static_cast<float>(preprocessing.window->high);
    cut.resize(pixels.size());
    std::ranges::transform(pixels, cut.begin(), [low, high](float pixel) { return std::clamp(pixel, low, high); });
    pixels = cut;
  }
  std::vector<float> image(static_cast<std::size_t>(preprocessing.size * preprocessing.size));
  resize_bilinear(pixels, rows, columns, image, preprocessing.size, preprocessing.size);
  min_max_scale(image);
  return image;
}

bool is_hounsfield(std::span<const float> pixels) { return !pixels.empty() && extremes(pixels).low <= air; }

bool holds_body(std::span<const float> pixels) {
  const auto [smallest, largest] = extremes(pixels);
  if (smallest == largest) return false;
  if (smallest > air) return true;
  std::int64_t denser = 0;
  for (const float pixel : pixels) denser += pixel > -500 ? 1 : 0;
  return 1000 * denser >= std::ssize(pixels);
}

void equalise(std::span<float> image, std::int64_t rows, std::int64_t columns, const Preprocessing& preprocessing) {
  if (preprocessing.equalisation > 0 && !preprocessing.equalise_unfamiliar)
    equalise(image, rows, columns, {.clip_limit = preprocessing.equalisation});
}

void finish(std::span<float> image, std::int64_t rows, std::int64_t columns, const Preprocessing& preprocessing) {
  equalise(image, rows, columns, preprocessing);
  normalise(image, preprocessing);
}

void normalise(std::span<float> pixels, const Preprocessing& preprocessing) {
  if (preprocessing.mean == 0.0 && preprocessing.standard_deviation == 1.0) return;
  for (float& pixel : pixels) {
    pixel = static_cast<float>((pixel - preprocessing.mean) / preprocessing.standard_deviation);
  }
}

}  // namespace pulmoseg::dataset
