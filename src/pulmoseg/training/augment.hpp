#pragma once
// Augmentation of where things are. The eight orientations of a square (horizontal flip and quarter turns) move pixels and never
// change one, so that an image and its mask stay together exactly; rotations by any angle and enlargements interpolate.

#include <cstdint>
#include <span>
#include <utility>

#include "pulmoseg/training/options.hpp"

namespace pulmoseg::training {

struct Orientation {
  bool flipped = false;   ///< columns reversed, first
  int quarter_turns = 0;  ///< then turned counter-clockwise so often, as numpy.rot90
};

/// The orientation of a slice in an epoch: depends on the seed, the epoch and the row alone.
Orientation draw_orientation(const TrainingOptions& options, std::int64_t epoch, std::int64_t row);

/// A rotation about the middle, counter-clockwise, and an enlargement.
struct Deformation {
  double degrees = 0, scale = 1;
  bool changes_nothing() const { return degrees == 0 && scale == 1; }
};

/// The deformation of a slice in an epoch, up to the options' rotation and scaling either way.
Deformation draw_deformation(const TrainingOptions& options, std::int64_t epoch, std::int64_t row);

/// Where a pixel of the deformed picture comes from.
class PixelSource {
 public:
  PixelSource(const Deformation& deformation, std::int64_t size);
  std::pair<double, double> of(std::int64_t row, std::int64_t column) const {
    const double down = static_cast<double>(row) - centre_, right = static_cast<double>(column) - centre_;
    return {centre_ + cosine_ * down + sine_ * right, centre_ - sine_ * down + cosine_ * right};
  }

 private:
  double centre_, cosine_, sine_;
};

/// Images bilinearly, masks by nearest neighbour, so that they stay together to half a pixel. What comes from outside is 0: air,
/// and background.
void deform(std::span<const float> in, std::span<float> out, std::int64_t size, const Deformation& deformation);
void deform(std::span<const std::uint8_t> in, std::span<std::uint8_t> out, std::int64_t size,
            const Deformation& deformation);

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
