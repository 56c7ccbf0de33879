#pragma once
// Opens what a mask file holds of the kind that is asked for. Internal to volume/.

#include <filesystem>
#include <functional>

#include "pulmoseg/volume/segment_choice.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

/// See VolumeReader::open_mask. `open_other` opens a file that names no segments.
OpenedImage open_mask_image(const std::filesystem::path& mask, MaskKind kind, const SourceInfo* scan,
                            const std::function<OpenedImage(const std::filesystem::path&)>& open_other);

}  // namespace pulmoseg::volume
