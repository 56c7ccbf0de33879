#pragma once
// What looks wrong with a chest: not one, cut, too few slices, contrast medium, turned otherwise than its header says.
//
// From a SmallVolume in HU (the air in the body stands for the lungs) or, where the input is not HU, from the lung mask alone.
// The thresholds were set on the few HU scans at hand (three, one of a patient with a destroyed lung) and on made-up chests, with a
// wide margin: a warning is meant to be true, and not every fault is found. Pure functions. Codes in docs/schemas.md.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/quantify/lung_taper.hpp"
#include "pulmoseg/quantify/small_volume.hpp"
#include "pulmoseg/volume/geometry.hpp"

namespace pulmoseg::quantify {

/// The faces of a canonical volume that a patient's lungs can be cut at.
enum Face { lower, upper, right, left, front, back };

/// What of the lungs must be known to say whether they are complete.
struct LungExtent {
  std::vector<double> area;         ///< by slice, in any one unit
  std::array<double, 6> at_face{};  ///< area in which they touch each face of the volume, in the same unit
};

/// `lungs` found by find_chest(): these never touch the sides.
LungExtent extent_of(const masks::RunMask& lungs);

/// The share of a slice's pixels that are lung, at most: `share`. nullopt: it may be a chest.
std::optional<Note> not_chest_by_mask(double share);
std::optional<Note> not_chest_by_density(const SmallVolume& scan, const Chest& chest);

std::optional<Note> lungs_cut(const LungExtent& lungs);

/// Fewer slices through the lungs than their volume can be told from; all slices where no lungs are found.
std::optional<Note> too_few_slices(const LungExtent& lungs);

/// Bright blood between the lungs. Only for a chest that lies as its header says.
std::optional<Note> contrast_by_density(const SmallVolume& scan, const Chest& chest);

/// Spine, ribs, shoulders, liver and heart against the header.
std::optional<Note> wrong_orientation_by_density(const SmallVolume& scan, const Chest& chest);

/// The lungs' taper against the header. `lungs`: by slice, from the lowest.
std::optional<Note> wrong_orientation_by_mask(const std::vector<LungOutline>& lungs);

}  // namespace pulmoseg::quantify
