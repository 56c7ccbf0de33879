#pragma once
// The bytes of NIfTI-1 and NIfTI-2 headers. Internal to volume/.
//
// Source: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

constexpr std::size_t nifti1_header_size = 348, nifti2_header_size = 540;

struct NiftiFileHeader {
  NiftiHeader placing;
  VoxelType type = VoxelType::uint8;
  double slope = 1, intercept = 0;
  std::uint64_t voxel_offset = 0;
  bool swapped = false;  ///< the file's byte order is not this machine's
};

/// Does a file that begins with these bytes claim to be NIfTI (or its ancestor Analyze) by the size in its first field?
bool looks_like_nifti(std::span<const std::byte> bytes);

/// The header in `bytes`: the first nifti2_header_size bytes of the file, or as many as it has.
/// Error that names `file`: cut short, Analyze or a .hdr/.img pair, voxels that are colours, complex or packed bits,
/// a slope without an intercept.
NiftiFileHeader parse_nifti_header(std::span<const std::byte> bytes, const std::filesystem::path& file);

/// Header and the empty extension mark of a single .nii file: the voxels follow right behind. Little endian.
std::vector<std::byte> nifti_header_bytes(const NiftiHeader& header, VoxelType type);

}  // namespace pulmoseg::volume
