#pragma once
// How CT numbers become grey: the display window, and the shape of a pixel.

#include <span>

namespace pulmoseg::report {

/// Values at or below `low` are black, at or above `high` white.
struct Window {
  double low, high;
};

/// The window in which radiologists read lungs: level −600, width 1500 HU.
inline constexpr Window lung_window{-1350, 150};

/// The lung window when the values reach down to air in Hounsfield units (≤ −900), else from smallest to largest.
Window display_window(std::span<const float> pixels);

/// Distance of pixel centres in mm; only the ratio matters to a picture.
struct PixelSpacing {
  double column = 1;  ///< from one column to the next (along a row)
  double row = 1;     ///< from one row to the next
};

}  // namespace pulmoseg::report
