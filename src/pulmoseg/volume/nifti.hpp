#pragma once
// Opens NIfTI-1 and NIfTI-2 files, plain or gzipped. Internal to volume/.

#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

/// `first_bytes`: the (unpacked) beginning of the file; looks_like_nifti(first_bytes) holds.
/// Error as parse_nifti_header() and nifti_place(), and for a file that is shorter than its header says.
OpenedImage open_nifti(const std::filesystem::path& file, std::span<const std::byte> first_bytes);

}  // namespace pulmoseg::volume
