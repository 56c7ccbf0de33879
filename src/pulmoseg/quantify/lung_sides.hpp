#pragma once
// Left and right lung of a lung mask, also where they touch.
//
// In each slice a cut runs from front to back, one column a row; what lies towards the patient's right of it is right. It goes
// where it severs the least contact (mm²) between voxels of the mask, in its slice and against the cuts of the slices below and
// above, found by dynamic programming row by row (a seam, as Avidan & Shamir 2007 call it), between the middles of the two
// lungs. A connected part of the mask is cut only where it is two lungs by its shape; any other goes as a whole to the side
// where most of it lies. Lungs that do not touch are thus told apart to the voxel.
//
// Pure function: safe from any thread.

#include "pulmoseg/masks/run_mask.hpp"
#include "pulmoseg/volume/geometry.hpp"

namespace pulmoseg::quantify {

struct LungSides {
  masks::RunMask right, left;  ///< every voxel of the lung mask is in one of them
  bool touch = false;          ///< a connected part was cut
  bool wide_contact = false;   ///< over more than two lungs should share: where the cut lies is a guess
  bool one_lung = false;       ///< almost all lies on one side; which one, the middle of the image decides
};

/// `lung` lies on `grid`, a canonical one: columns run to the patient's left.
LungSides tell_sides_apart(const masks::RunMask& lung, const volume::Geometry& grid);

}  // namespace pulmoseg::quantify
