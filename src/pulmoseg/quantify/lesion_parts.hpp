#pragma once
// The connected parts of a lesion mask, and how large they are. Pure functions: safe from any thread.

#include <optional>
#include <vector>

#include "pulmoseg/masks/run_mask.hpp"
#include "pulmoseg/quantify/lung_sides.hpp"
#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::quantify {

/// Voxels that share a face belong together. The largest first; of equal ones the lower. `sides`: null where they are not known.
std::vector<LesionPart> find_lesion_parts(const masks::RunMask& lesion, const LungSides* sides,
                                          const volume::Geometry& grid, std::optional<double> voxel_ml);

/// How many parts there are below 0.1 ml, from there below 1, 10 and 100 ml, and beyond.
std::vector<SizeClass> count_sizes(const std::vector<LesionPart>& parts, double voxel_ml);

}  // namespace pulmoseg::quantify
