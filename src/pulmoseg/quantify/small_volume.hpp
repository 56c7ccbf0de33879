#pragma once
// A scan at low resolution, made slice by slice: enough to see body, lungs, spine and heart.
//
// Every slice is cut into blocks of pixels, at most 64 along each side (about 6 to 8 mm of a chest), and each block becomes its
// mean, which also takes the noise away. 12 KB a slice at most. Threads: one at a time.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "pulmoseg/masks/run_mask.hpp"

namespace pulmoseg::quantify {

class SmallVolume {
 public:
  explicit SmallVolume(const masks::Size& grid);

  /// `pixels`: rows x columns of the grid. Values below −1024, padding, count as −1024.
  void set(std::int64_t index, std::span<const float> pixels);

  const masks::Size& size() const { return size_; }               ///< in blocks, in blocks, in slices
  std::int64_t block_columns() const { return block_[0]; }        ///< pixels
  std::int64_t block_rows() const { return block_[1]; }           ///< pixels
  std::span<const std::int16_t> slice(std::int64_t index) const;  ///< rows x columns; zeros where none was given

 private:
  masks::Size grid_, size_;
  std::array<std::int64_t, 2> block_;
  std::vector<std::int16_t> values_;
};

/// Where body and lungs are, on the grid of a SmallVolume in HU.
struct Chest {
  masks::RunMask body;   ///< the largest part of each slice that is no air, with what it encloses
  masks::RunMask lungs;  ///< the two largest connected parts of the air in the body
};

Chest find_chest(const SmallVolume& scan);

/// The largest part of a slice that is no air, with what it encloses: 1 inside, rows x columns of blocks.
std::vector<std::uint8_t> body_of_slice(const SmallVolume& scan, std::int64_t index);

}  // namespace pulmoseg::quantify
