#pragma once
// Between the placing fields of an NRRD header and Geometry. Internal to volume/.

#include <filesystem>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

struct NrrdPlace {
  Geometry geometry;
  int dimensions = 3;
  bool has_geometry = true;
};

/// Patient spaces (left-posterior-superior and its two mirrored names) are taken to LPS. A header without space, with a
/// 2-D space or one that is not tied to a patient has no geometry; its axes are taken as they stand.
/// Error that names `file`: more than one value a voxel or frame, fields that contradict each other, and as
/// geometry_from_steps().
NrrdPlace nrrd_place(const NrrdHeader& header, const std::filesystem::path& file);

/// Fields for a grid that came from another format.
NrrdHeader nrrd_header_for(const SourceInfo& like);

}  // namespace pulmoseg::volume
