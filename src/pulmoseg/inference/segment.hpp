#pragma once
// A volume through the network, slice by slice.

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "pulmoseg/dataset/familiarity.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::inference {

/// One axial slice in canonical orientation with what the network says about it, on the input's own grid.
struct SegmentedSlice {
  std::int64_t index = 0;  ///< as volume::AxialSlice
  std::int64_t rows = 0, columns = 0;
  std::vector<float> pixels;         ///< rows x columns, as read
  std::vector<float> probabilities;  ///< classes x rows x columns; they sum to 1
  std::vector<std::uint8_t> labels;  ///< rows x columns: the most probable class, the lowest of equals
  bool computed = true;              ///< false: all of it is background, and the network was not asked
  dataset::Appearance appearance;    ///< of what the network was shown, before its mean and deviation
};

/// Probabilities of classes x size x size on a slice's own grid, classes x rows x columns: bilinear, half-pixel centres.
std::vector<float> on_grid(std::span<const float> probabilities, std::int64_t size, std::int64_t rows,
                           std::int64_t columns);

/// The most probable class of each pixel, the lowest of equals. `probabilities`: classes x pixels.
std::vector<std::uint8_t> most_probable(std::span<const float> probabilities, std::size_t pixels);

/// The slices that are wanted, by index.
struct SliceRange {
  std::int64_t first = 0, last = std::numeric_limits<std::int64_t>::max();
  bool contains(std::int64_t index) const { return first <= index && index <= last; }
};

/// What the network is to be shown of a scan: the model's own preprocessing, what it leaves open decided by a look at every
/// fourth of the wanted slices of `reader`, which is rewound then. Without anything open, nothing is read.
dataset::Preprocessing preprocessing_for(volume::VolumeReader& reader, const Engine& engine,
                                         const SliceRange& wanted = {});

/// Hands every slice of `reader` to `on_slice`, in the order in which the reader has them: preprocessing, logits, softmax,
/// probabilities bilinear back to the slice's own size (half-pixel centres), the most probable class. The network is asked only
/// about slices that are wanted and hold a body (dataset::holds_body()).
///
/// Memory: a few slices, whatever the length of the scan. What `on_slice` throws ends it.
/// Errors: those of the reader and the engine.
void segment(volume::VolumeReader& reader, Engine& engine, const dataset::Preprocessing& preprocessing,
             const std::function<void(const SegmentedSlice&)>& on_slice, const SliceRange& wanted = {});

}  // namespace pulmoseg::inference
