#pragma once
// Connected parts of a mask: which there are, how large they are, and masks without some of them.
//
// Voxels that share a face belong together (6 neighbours; 4 in a single slice). Parts are found by their runs along the
// columns, united where they touch (Rosenfeld & Pfaltz 1966, with union-find): memory follows the runs, not the voxels. Same
// parts as scipy.ndimage.label.

#include <cstdint>
#include <vector>

#include "pulmoseg/masks/run_mask.hpp"

namespace pulmoseg::masks {

class Components {
 public:
  explicit Components(const RunMask& mask);

  /// Voxels of each part, in the order of their first voxels in memory.
  const std::vector<std::int64_t>& voxels() const { return voxels_; }

  /// Of every run of the mask, slice after slice, the part that it belongs to.
  const std::vector<std::uint32_t>& part_of_run() const { return part_of_run_; }

 private:
  std::vector<std::int64_t> voxels_;
  std::vector<std::uint32_t> part_of_run_;
};

/// Leaves the `count` largest parts, and of these only those with at least `smallest_share` of the largest one's voxels. Of
/// equal ones the earlier is the larger.
void keep_largest(RunMask& mask, std::size_t count, double smallest_share);

/// Removes the parts of fewer than `voxels` voxels.
void drop_smaller_than(RunMask& mask, std::int64_t voxels);

/// Fills what a mask encloses in each slice: the background that is not connected (4 neighbours) with the slice's border.
void fill_holes_in_slices(RunMask& mask);

}  // namespace pulmoseg::masks
