#pragma once
// Opens NRRD files (raw and gzip encoding, attached and detached header). Internal to volume/.

#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

/// Error as read_nrrd_header() and nrrd_place(), and for a file that is shorter than its header says.
OpenedImage open_nrrd(const std::filesystem::path& file);

}  // namespace pulmoseg::volume
