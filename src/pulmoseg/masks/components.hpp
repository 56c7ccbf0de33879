#pragma once
// Connected parts of a mask: which there are, how large they are, and masks without some of them.
//
// Voxels that share a face belong together (6 neighbours; 4 in a single slice). Parts are found by their runs along the
// columns, united where they touch (Rosenfeld & Pfaltz 1966, with union-find): memory follows the runs, not the voxels, where
// the libraries' filters hold 4 bytes a voxel more. Same parts as scipy.ndimage.label.
//
// Every value but 0 is in the mask. Pure functions of their arguments; Error when a mask is not of the given size.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace pulmoseg::masks {

/// Columns, rows, slices; columns lie next to each other in memory, then rows, then slices.
using Size = std::array<std::int64_t, 3>;

class Components {
 public:
  Components(std::span<const std::uint8_t> mask, const Size& size);

  /// Voxels of each part, in the order of their first voxels in memory.
  const std::vector<std::int64_t>& voxels() const { return voxels_; }

  /// Sets the voxels of every part for which `chosen` to `value`.
  void paint(std::span<std::uint8_t> mask, const std::function<bool(std::size_t part)>& chosen,
             std::uint8_t value) const;

 private:
  struct Run {
    std::int64_t begin, end;  ///< in memory
    std::size_t part;
  };
  std::vector<Run> runs_;
  std::vector<std::int64_t> voxels_;
};

/// Leaves the `count` largest parts, and of these only those with at least `smallest_share` of the largest one's voxels. Of
/// equal ones the earlier is the larger.
void keep_largest(std::span<std::uint8_t> mask, const Size& size, std::size_t count, double smallest_share);

/// Removes the parts of fewer than `voxels` voxels.
void drop_smaller_than(std::span<std::uint8_t> mask, const Size& size, std::int64_t voxels);

/// Fills what a mask encloses in each slice: the background that is not connected (4 neighbours) with the slice's border.
void fill_holes_in_slices(std::span<std::uint8_t> mask, const Size& size);

}  // namespace pulmoseg::masks
