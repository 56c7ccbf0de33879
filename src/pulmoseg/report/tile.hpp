#pragma once
// What a picture of a slice shows of it and says below it (inside of report/ only).

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "pulmoseg/report/overlay.hpp"

namespace pulmoseg::report {

/// Part of a slice, in pixels.
struct Part {
  std::int64_t row = 0, column = 0, rows = 0, columns = 0;
};

/// What of each slice is shown: the lungs of all slices (and their lesions) with some room around, or all of it.
Part shown_part(std::span<const GallerySlice> slices);

/// "12.3 % of lung", or the lesion's area where there is no lung.
std::string extent(const GallerySlice& slice, const std::optional<double>& pixel_area_mm2);

/// display_window() of all slices together, so that their greys compare.
Window common_window(std::span<const GallerySlice> slices);

}  // namespace pulmoseg::report
