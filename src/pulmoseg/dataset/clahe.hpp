#pragma once
// Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994): faint differences of grey become plain,
// and pictures of one patient that were exported through different windows become alike.

#include <cstdint>
#include <span>

namespace pulmoseg::dataset {

struct Clahe {
  double clip_limit = 2;   ///< how often more than on average a grey value may count; above 0
  std::int64_t tiles = 8;  ///< along each axis; a histogram each
};

/// In place, pixels in [0, 1], row-major. They are rounded to 256 greys first, and equal OpenCV's createCLAHE(clip_limit, {tiles,
/// tiles}) of these on 8 bits, divided by 255. Where the tiles do not fit, the picture is
/// continued by its mirror image. Pure; safe to call from several threads.
void equalise(std::span<float> pixels, std::int64_t rows, std::int64_t columns, const Clahe& clahe = {});

}  // namespace pulmoseg::dataset
