#include "pulmoseg/report/image.hpp"

#include <algorithm>

namespace pulmoseg::report {

Window display_window(std::span<const float> pixels) {
  if (pixels.empty()) return {0, 1};
  const auto [low, high] = std::minmax_element(pixels.begin(), pixels.end());
  if (*low <= -900) return lung_window;
  return {*low, *high};
}

}  // namespace pulmoseg::report
