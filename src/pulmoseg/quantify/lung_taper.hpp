#pragma once
// Which way is up, by the shape of a lung mask alone: lungs are narrow above and wide below. Pure functions.
//
// Thresholds were set on 20 scans (16 cut to their middle) and on masks with made-up losses. A mask that is turned over is noticed
// where enough of the apex is there; of a scan that is cut below it nothing is said.

#include <cstdint>
#include <span>
#include <vector>

namespace pulmoseg::quantify {

/// The lungs in one slice, in pixels.
struct LungOutline {
  std::int64_t area = 0;
  std::int64_t right = 0, left = 0;  ///< the first column that holds lung, and one past the last; both 0 without any
};

LungOutline outline_of(std::span<const std::uint8_t> lung, std::int64_t columns);

/// Whether both outer edges of the lungs draw together from above to below. `lungs`: by slice, from the lowest.
bool tapers_downwards(const std::vector<LungOutline>& lungs);

}  // namespace pulmoseg::quantify
