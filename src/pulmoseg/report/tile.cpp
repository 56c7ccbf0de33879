#include "pulmoseg/report/tile.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pulmoseg/report/figure_text.hpp"

namespace pulmoseg::report {

Part shown_part(std::span<const GallerySlice> slices) {
  const std::int64_t rows = slices.front().rows, columns = slices.front().columns;
  std::int64_t top = rows, bottom = -1, left = columns, right = -1;
  for (const auto& slice : slices) {
    if (slice.lung.empty()) return {0, 0, rows, columns};
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        const auto pixel = static_cast<std::size_t>(row * columns + column);
        if (slice.lung[pixel] == 0 && slice.lesion[pixel] == 0) continue;
        top = std::min(top, row);
        bottom = std::max(bottom, row);
        left = std::min(left, column);
        right = std::max(right, column);
      }
    }
  }
  if (bottom < 0) return {0, 0, rows, columns};
  const std::int64_t row_room = (bottom - top + 1) / 8 + 2, column_room = (right - left + 1) / 8 + 2;
  top = std::max<std::int64_t>(top - row_room, 0);
  left = std::max<std::int64_t>(left - column_room, 0);
  bottom = std::min(bottom + row_room, rows - 1);
  right = std::min(right + column_room, columns - 1);
  return {top, left, bottom - top + 1, right - left + 1};
}

std::string extent(const GallerySlice& slice, const std::optional<double>& pixel_area_mm2) {
  std::int64_t lesion = 0, lung = 0, both = 0;
  for (std::size_t i = 0; i < slice.lesion.size(); ++i) {
    const bool in_lung = !slice.lung.empty() && slice.lung[i] != 0;
    lesion += slice.lesion[i] != 0;
    lung += in_lung;
    both += in_lung && slice.lesion[i] != 0;
  }
  if (lung > 0) return percent_text(100.0 * static_cast<double>(both) / static_cast<double>(lung)) + " of lung";
  if (lesion == 0) return "no lesion";
  if (pixel_area_mm2) return digits(static_cast<double>(lesion) * *pixel_area_mm2 / 100) + " cm²";
  return fmt::format("{} pixels", lesion);
}

Window common_window(std::span<const GallerySlice> slices) {
  std::vector<float> ends;
  for (const auto& slice : slices) {
    const auto [low, high] = std::minmax_element(slice.pixels.begin(), slice.pixels.end());
    ends.insert(ends.end(), {*low, *high});
  }
  return display_window(ends);
}

}  // namespace pulmoseg::report
