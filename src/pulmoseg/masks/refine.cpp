#include "pulmoseg/masks/refine.hpp"

#include <algorithm>
#include <cmath>

namespace pulmoseg::masks {

void refine(std::span<std::uint8_t> lesion, std::span<std::uint8_t> lung, const Size& size, double voxel_ml,
            const RefineOptions& options) {
  if (!lung.empty() && options.lungs) {
    keep_largest(lung, size, 2, options.smallest_lung_share);
    fill_holes_in_slices(lung, size);
  }
  if (!lung.empty() && options.lesion_in_lung) {
    std::ranges::transform(lesion, lung, lesion.begin(), [](std::uint8_t found, std::uint8_t inside) {
      return inside != 0 ? found : std::uint8_t{0};
    });
  }
  if (options.speck_ml <= 0 || voxel_ml <= 0) return;
  drop_smaller_than(lesion, size, static_cast<std::int64_t>(std::ceil(options.speck_ml / voxel_ml)));
}

}  // namespace pulmoseg::masks
