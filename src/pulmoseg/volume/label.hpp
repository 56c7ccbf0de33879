#pragma once
// Which numbers in a mask's file are labels. Internal to volume/.

#include <cmath>
#include <optional>

namespace pulmoseg::volume {

/// The whole number from 0 on that a voxel means; nothing for any other. Programs that scale labels to store them (nibabel does)
/// leave them off by a rounding.
inline std::optional<float> label_in(float voxel) {
  const float whole = std::round(voxel);
  return whole >= 0 && std::abs(voxel - whole) <= 1e-3f ? std::optional(whole) : std::nullopt;
}

}  // namespace pulmoseg::volume
