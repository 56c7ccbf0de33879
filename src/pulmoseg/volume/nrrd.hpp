#pragma once
// Opens NRRD (.nrrd, .nhdr with raw or gzip data). Internal to volume/.

#include "pulmoseg/volume/nrrd_header.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

OpenedImage open_nrrd(const std::filesystem::path& file);

/// The same with `layers` values a voxel, the layer fastest, which `header.placing` does not speak of.
OpenedImage open_nrrd(const std::filesystem::path& file, const NrrdFileHeader& header, std::uint64_t layers);

}  // namespace pulmoseg::volume
