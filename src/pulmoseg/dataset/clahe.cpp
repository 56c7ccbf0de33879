#include "pulmoseg/dataset/clahe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace pulmoseg::dataset {
namespace {

constexpr std::int64_t greys = 256;

/// The new grey of each old one.
using Curve = std::array<std::uint8_t, greys>;
using Histogram = std::array<std::int64_t, greys>;

std::uint8_t rounded(float grey) { return static_cast<std::uint8_t>(std::lrint(std::clamp(grey, 0.0F, 255.0F))); }

/// What is above the limit is dealt out over all greys, the remainder evenly spread.
void clip(Histogram& histogram, std::int64_t limit) {
  std::int64_t excess = 0;
  for (auto& count : histogram) {
    excess += std::max<std::int64_t>(count - limit, 0);
    count = std::min(count, limit);
  }
  for (auto& count : histogram) count += excess / greys;
  std::int64_t left = excess % greys;
  if (left == 0) return;
  const std::int64_t step = std::max<std::int64_t>(greys / left, 1);
  for (std::int64_t grey = 0; grey < greys && left > 0; grey += step, --left)
    ++histogram[static_cast<std::size_t>(grey)];
}

Curve curve_of(Histogram histogram, std::int64_t pixels, double clip_limit) {
  clip(histogram,
       std::max<std::int64_t>(static_cast<std::int64_t>(clip_limit * static_cast<double>(pixels) / greys), 1));
  const float scale = static_cast<float>(greys - 1) / static_cast<float>(pixels);
  Curve curve;
  std::int64_t up_to = 0;
  for (std::size_t grey = 0; grey < greys; ++grey) {
    up_to += histogram[grey];
    curve[grey] = rounded(static_cast<float>(up_to) * scale);
  }
  return curve;
}

/// The picture beyond its last row or column, mirrored about the centre of that one.
std::int64_t mirrored(std::int64_t index, std::int64_t length) {
  while (index >= length) index = std::max<std::int64_t>(2 * (length - 1) - index, 0);
  return index;
}

/// Between which two tiles a pixel's centre lies along an axis.
struct Place {
  std::size_t before, after;
  float weight;  ///< of `after`
};

std::vector<Place> places(std::int64_t length, std::int64_t tile, std::int64_t tiles) {
  std::vector<Place> found;
  const float per_pixel = 1.0F / static_cast<float>(tile);
  for (std::int64_t i = 0; i < length; ++i) {
    const float centre = static_cast<float>(i) * per_pixel - 0.5F;
    const auto before = static_cast<std::int64_t>(std::floor(centre));
    const auto within = [tiles](std::int64_t index) {
      return static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, tiles - 1));
    };
    found.push_back({within(before), within(before + 1), centre - static_cast<float>(before)});
  }
  return found;
}

class Equaliser {
 public:
  Equaliser(const std::vector<std::uint8_t>& picture, std::int64_t rows, std::int64_t columns, const Clahe& clahe)
      : picture_(picture), rows_(rows), columns_(columns), tiles_(clahe.tiles) {
    const bool fits = rows % tiles_ == 0 && columns % tiles_ == 0;
    tile_rows_ = rows / tiles_ + (fits ? 0 : 1);  // both grow when one axis does not fit: so does OpenCV
    tile_columns_ = columns / tiles_ + (fits ? 0 : 1);
    for (std::int64_t row = 0; row < tiles_; ++row) {
      for (std::int64_t column = 0; column < tiles_; ++column)
        curves_.push_back(curve_of(histogram(row, column), tile_rows_ * tile_columns_, clahe.clip_limit));
    }
  }

  /// Each pixel through the curves of the four tiles around it.
  void write(std::span<float> pixels) const {
    const auto down = places(rows_, tile_rows_, tiles_), across = places(columns_, tile_columns_, tiles_);
    const auto tiles = static_cast<std::size_t>(tiles_);
    std::size_t pixel = 0;
    for (const Place& row : down) {
      for (const Place& column : across) {
        const std::uint8_t grey = picture_[pixel];
        const auto through = [&](std::size_t tile_row) {
          const Curve& left = curves_[tile_row * tiles + column.before];
          const Curve& right = curves_[tile_row * tiles + column.after];
          return static_cast<float>(left[grey]) * (1 - column.weight) + static_cast<float>(right[grey]) * column.weight;
        };
        pixels[pixel++] =
            static_cast<float>(rounded(through(row.before) * (1 - row.weight) + through(row.after) * row.weight)) /
            255.0F;
      }
    }
  }

 private:
  Histogram histogram(std::int64_t tile_row, std::int64_t tile_column) const {
    Histogram counts{};
    for (std::int64_t i = 0; i < tile_rows_; ++i) {
      const std::int64_t row = mirrored(tile_row * tile_rows_ + i, rows_);
      for (std::int64_t j = 0; j < tile_columns_; ++j) {
        const std::int64_t column = mirrored(tile_column * tile_columns_ + j, columns_);
        ++counts[picture_[static_cast<std::size_t>(row * columns_ + column)]];
      }
    }
    return counts;
  }

  const std::vector<std::uint8_t>& picture_;
  std::int64_t rows_, columns_, tiles_, tile_rows_, tile_columns_;
  std::vector<Curve> curves_;
};

}  // namespace

void equalise(std::span<float> pixels, std::int64_t rows, std::int64_t columns, const Clahe& clahe) {
  std::vector<std::uint8_t> picture(pixels.size());
  std::ranges::transform(pixels, picture.begin(), [](float pixel) { return rounded(pixel * 255.0F); });
  Equaliser(picture, rows, columns, clahe).write(pixels);
}

}  // namespace pulmoseg::dataset
