#include "pulmoseg/masks/refine.hpp"

#include <cmath>

#include "pulmoseg/masks/components.hpp"

namespace pulmoseg::masks {

void refine(RunMask& lesion, RunMask* lung, double voxel_ml, const RefineOptions& options) {
  if (lung && options.lungs) {
    keep_largest(*lung, 2, options.smallest_lung_share);
    fill_holes_in_slices(*lung);
  }
  if (lung && options.lesion_in_lung) lesion = intersection(lesion, *lung);
  if (options.speck_ml > 0 && voxel_ml > 0)
    drop_smaller_than(lesion, static_cast<std::int64_t>(std::ceil(options.speck_ml / voxel_ml)));
}

}  // namespace pulmoseg::masks
