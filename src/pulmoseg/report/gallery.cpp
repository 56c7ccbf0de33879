// SliceGallery: which slices of a scan its montage shows.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/report/overlay.hpp"

namespace pulmoseg::report {
namespace {

std::int64_t count(std::span<const std::uint8_t> mask) {
  return std::ranges::count_if(mask, [](std::uint8_t pixel) { return pixel != 0; });
}

}  // namespace

SliceGallery::SliceGallery(std::int64_t slices_of_scan, std::int64_t places)
    : slices_of_scan_(slices_of_scan),
      places_(std::clamp<std::int64_t>(places, 1, std::max<std::int64_t>(slices_of_scan, 1))) {}

std::size_t SliceGallery::band_of(std::int64_t index) const {
  return static_cast<std::size_t>(index * std::ssize(places_) / slices_of_scan_);
}

bool SliceGallery::is_better(std::int64_t index, std::int64_t lesion_pixels) const {
  const std::size_t number = band_of(index);
  const auto bands = std::ssize(places_), band = static_cast<std::int64_t>(number);
  const std::int64_t first = (band * slices_of_scan_ + bands - 1) / bands;
  const std::int64_t last = ((band + 1) * slices_of_scan_ + bands - 1) / bands - 1;
  // Larger is better; never equal for two slices.
  const auto rank = [&](std::int64_t pixels, std::int64_t slice) {
    return std::tuple(pixels, -std::abs(2 * slice - first - last), -slice);
  };
  const Place& place = places_[number];
  return rank(lesion_pixels, index) >= rank(place.lesion_pixels, place.slice.index);
}

void SliceGallery::offer(std::int64_t index, std::int64_t rows, std::int64_t columns, std::span<const float> pixels,
                         std::span<const std::uint8_t> lesion, std::span<const std::uint8_t> lung) {
  const auto expected = static_cast<std::size_t>(rows * columns);
  if (index < 0 || index >= slices_of_scan_ || pixels.size() != expected || lesion.size() != expected ||
      (!lung.empty() && lung.size() != expected)) {
    throw Error(fmt::format(
        "slice {} of a scan of {} slices, {} x {} pixels: {} image, {} lesion and {} lung pixels were given", index,
        slices_of_scan_, columns, rows, pixels.size(), lesion.size(), lung.size()));
  }
  const std::int64_t lesion_pixels = count(lesion);
  if (!is_better(index, lesion_pixels)) return;
  Place& place = places_[band_of(index)];
  place.lesion_pixels = lesion_pixels;
  place.slice.index = index;
  place.slice.rows = rows;
  place.slice.columns = columns;
  place.slice.pixels.assign(pixels.begin(), pixels.end());
  place.slice.lesion.assign(lesion.begin(), lesion.end());
  place.slice.lung.assign(lung.begin(), lung.end());
}

std::vector<GallerySlice> SliceGallery::finish() const {
  std::vector<GallerySlice> slices;
  for (const Place& place : places_) {
    if (place.lesion_pixels >= 0) slices.push_back(place.slice);
  }
  return slices;
}

}  // namespace pulmoseg::report
