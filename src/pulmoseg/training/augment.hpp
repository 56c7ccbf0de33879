#pragma once
// Augmentation. The eight orientations of a square (horizontal flip and quarter turns) move pixels and never change one, so that
// an image and its mask stay together exactly; brightness and contrast change the image alone.

#include <cstdint>
#include <span>

#include "pulmoseg/training/options.hpp"

namespace pulmoseg::training {

struct Orientation {
  bool flipped = false;   ///< columns reversed, first
  int quarter_turns = 0;  ///< then turned counter-clockwise so often, as numpy.rot90
};

/// The orientation of a slice in an epoch: depends on the seed, the epoch and the row alone.
Orientation draw_orientation(const TrainingOptions& options, std::int64_t epoch, std::int64_t row);

/// gain * pixel ^ gamma + offset, of pixels in 0...1.
struct Intensity {
  float gamma = 1, gain = 1, offset = 0;
};

/// The brightness and contrast of a slice in an epoch, for a jitter j: gamma e^-j to e^j, gain 1 - j/2 to 1 + j/2, offset -j/4
/// to j/4. Scanners, windows and whoever exported the images differ so; the mask does not change.
Intensity draw_intensity(const TrainingOptions& options, std::int64_t epoch, std::int64_t row);

void change_intensity(std::span<float> pixels, const Intensity& intensity);

/// Writes `in` (size × size pixels, row-major) to `out` in another orientation, converting pixels to Out.
template <class In, class Out>
void orient(std::span<const In> in, std::span<Out> out, std::int64_t size, const Orientation& orientation) {
  // The source index is start + row * row_step + column * column_step. One turn reads a row from a column, right to left.
  std::int64_t start = 0, row_step = size, column_step = 1;
  for (int turn = 0; turn < orientation.quarter_turns; ++turn) {
    start += (size - 1) * column_step;
    const std::int64_t turned_row_step = -column_step;
    column_step = row_step;
    row_step = turned_row_step;
  }
  if (orientation
          .flipped) {  // index -> the same row, column reversed: applied to the source index last, so first to the image
    const auto mirrored = [size](std::int64_t index) { return index / size * size + (size - 1 - index % size); };
    const std::int64_t corner = start;
    start = mirrored(corner);
    row_step = mirrored(corner + row_step) - start;
    column_step = mirrored(corner + column_step) - start;
  }
  for (std::int64_t row = 0; row < size; ++row) {
    Out* target = out.data() + row * size;
    const std::int64_t first = start + row * row_step;
    for (std::int64_t column = 0; column < size; ++column) {
      target[column] = static_cast<Out>(in[static_cast<std::size_t>(first + column * column_step)]);
    }
  }
}

}  // namespace pulmoseg::training
