#pragma once
// The text header of an NRRD file. Internal to volume/.
//
// Source: "Definition of NRRD File Format", http://teem.sourceforge.net/nrrd/format.html

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

struct NrrdFileHeader {
  NrrdHeader placing;
  VoxelType type = VoxelType::uint8;
  bool gzipped = false;
  bool swapped = false;             ///< the file's byte order is not this machine's
  std::filesystem::path data_file;  ///< where the voxels are: this file, or the one that a detached header names
  std::uint64_t data_offset = 0;    ///< where the voxels, or their gzip stream, begin in it
  std::int64_t byte_skip = 0;       ///< bytes to leave out from there (after unpacking); -1: the voxels end the file
  std::map<std::string, std::string> attributes;  ///< the key/value pairs
};

bool looks_like_nrrd(std::span<const std::byte> bytes);

/// Error that names the file: a header without end or without a needed field, voxels in blocks, an encoding other than
/// raw and gzip, voxels spread over several files.
NrrdFileHeader read_nrrd_header(const std::filesystem::path& file);

/// Header of an attached .nrrd with gzipped little-endian voxels, which follow right behind.
std::string nrrd_header_text(const NrrdHeader& header, VoxelType type);

}  // namespace pulmoseg::volume
