#include "report/picture.hpp"

#include <cairo.h>

#include <cstdlib>
#include <stdexcept>

namespace pulmoseg::test {

int Picture::count(Rgb colour, int tolerance, int left, int top, int right, int bottom) const {
  int found = 0;
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      const Rgb& pixel = at(x, y);
      found += std::abs(pixel.red - colour.red) <= tolerance && std::abs(pixel.green - colour.green) <= tolerance &&
               std::abs(pixel.blue - colour.blue) <= tolerance;
    }
  }
  return found;
}

int Picture::count_ink(int left, int top, int right, int bottom) const {
  int found = 0;
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) found += at(x, y).red + at(x, y).green + at(x, y).blue < 3 * 128;
  }
  return found;
}

Picture read_png(const std::filesystem::path& file) {
  cairo_surface_t* surface = cairo_image_surface_create_from_png(file.c_str());
  if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) throw std::runtime_error("no PNG: " + file.string());
  Picture picture{cairo_image_surface_get_width(surface), cairo_image_surface_get_height(surface), {}};
  const int stride = cairo_image_surface_get_stride(surface);
  for (int y = 0; y < picture.height; ++y) {
    const auto* line = reinterpret_cast<const std::uint32_t*>(cairo_image_surface_get_data(surface) + y * stride);
    for (int x = 0; x < picture.width; ++x) {
      picture.pixels.push_back({static_cast<int>(line[x] >> 16 & 0xff), static_cast<int>(line[x] >> 8 & 0xff),
                                static_cast<int>(line[x] & 0xff)});
    }
  }
  cairo_surface_destroy(surface);
  return picture;
}

}  // namespace pulmoseg::test
