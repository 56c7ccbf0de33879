#pragma once
// The voxels of a label map with one or more layers, with nothing left in them but the labels that are meant. Internal to volume/.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

struct LabelInLayer {
  std::int64_t layer = 0, label = 1;
};

/// `image` with its layers (as many values a voxel, the layer fastest) brought into one of uint8: the label of the last one in
/// `chosen` that a voxel has (255 for those above), else 0. When it is read: Error for a value that is no whole number from 0 on.
OpenedImage with_chosen_labels(OpenedImage image, std::int64_t layers, std::vector<LabelInLayer> chosen);

}  // namespace pulmoseg::volume
