#pragma once
// A whole volume in memory.

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::volume {

/// Voxels in canonical orientation (see geometry.hpp): slices x rows x columns, columns fastest.
struct Volume {
  Geometry geometry;
  std::vector<float> voxels;

  std::span<const float> slice(std::int64_t k) const;
  std::span<float> slice(std::int64_t k);
};

/// Errors as VolumeReader.
Volume read_volume(const std::filesystem::path& file_or_dicom_folder);

/// All slices of a reader that has handed out none yet.
Volume read_volume(VolumeReader&& reader);

}  // namespace pulmoseg::volume
