#pragma once
// Metal in a slice: voxels that no tissue reaches.
//
// Pure functions.

#include <cstdint>
#include <span>
#include <vector>

namespace pulmoseg::quantify {

/// A connected part of a slice of at least 3000 HU: cortical bone ends at about 2000, and scanners of 12 bits at 3071.
struct DensePart {
  std::int64_t row = 0, column = 0;  ///< its first pixel
  std::int64_t pixels = 0;
};

/// `pixels`: rows x columns in HU.
std::vector<DensePart> dense_parts(std::span<const float> pixels, std::int64_t columns);

}  // namespace pulmoseg::quantify
