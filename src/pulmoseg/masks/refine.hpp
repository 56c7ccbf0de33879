#pragma once
// Masks that make sense: what a network says voxel by voxel, put right by what a lung and a lesion are.

#include "pulmoseg/masks/run_mask.hpp"

namespace pulmoseg::masks {

struct RefineOptions {
  bool lungs = true;                  ///< the lung is its two largest parts, and what they enclose in a slice
  double smallest_lung_share = 0.05;  ///< a second part with less of the first one's voxels is no lung
  bool lesion_in_lung = true;         ///< lesion outside of the lung is none
  double speck_ml = 0;                ///< parts of the lesion smaller than this are none; 0 keeps all
};

/// Changes both masks in place: first the lung, then the lesion. Without a lung (null: not known) lesions are only freed from
/// specks. `voxel_ml`: volume of a voxel; nothing is a speck where it is 0, not known.
/// Error when the masks differ in size.
void refine(RunMask& lesion, RunMask* lung, double voxel_ml, const RefineOptions& options = {});

}  // namespace pulmoseg::masks
