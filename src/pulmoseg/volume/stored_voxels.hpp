#pragma once
// What each file format offers to VolumeReader. Internal to volume/.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

/// The voxels of one file in stored order and stored type (SourceInfo::voxel_type), in this machine's byte order.
class StoredVoxels {
 public:
  virtual ~StoredVoxels() = default;

  /// The next bytes.size() bytes: whole stored slices (planes of the two fastest axes). Error when the file has not as
  /// many.
  virtual void read(std::span<std::byte> bytes) = 0;

  /// Passes as many bytes over, whole stored slices.
  virtual void skip(std::uint64_t bytes) = 0;

  /// After the last voxel: verifies what can be verified only there.
  virtual void finish() {}

  /// The first voxel is the next one again.
  virtual void rewind() = 0;
};

struct OpenedImage {
  SourceInfo source;
  std::unique_ptr<StoredVoxels> voxels;
};

}  // namespace pulmoseg::volume
