#pragma once
// PNG files read back, to look at their pixels.

#include <cstdint>
#include <filesystem>
#include <vector>

namespace pulmoseg::test {

struct Rgb {
  int red, green, blue;
  bool operator==(const Rgb&) const = default;
};

struct Picture {
  int width = 0, height = 0;
  std::vector<Rgb> pixels;

  const Rgb& at(int x, int y) const {
    return pixels.at(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x));
  }
  /// Pixels in the half-open rectangle whose channels are all within `tolerance` of `colour`.
  int count(Rgb colour, int tolerance, int left, int top, int right, int bottom) const;
  int count(Rgb colour, int tolerance = 2) const { return count(colour, tolerance, 0, 0, width, height); }
  /// Dark pixels (text, axes) in the half-open rectangle.
  int count_ink(int left, int top, int right, int bottom) const;
};

Picture read_png(const std::filesystem::path& file);

}  // namespace pulmoseg::test
