#pragma once
// Voxels that stand in a file as they are or gzipped (NIfTI, NRRD). Internal to volume/.

#include <utility>

#include "pulmoseg/volume/input_bytes.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {

class PackedVoxels : public StoredVoxels {
 public:
  /// `bytes` stands at the first voxel.
  PackedVoxels(InputBytes bytes, VoxelType type, bool swapped)
      : bytes_(std::move(bytes)), type_(type), swapped_(swapped) {}

  void read(std::span<std::byte> bytes) override {
    bytes_.read(bytes);
    if (swapped_) swap_bytes(bytes, type_);
  }

  void finish() override { bytes_.finish(); }

 private:
  InputBytes bytes_;
  VoxelType type_;
  bool swapped_;
};

}  // namespace pulmoseg::volume
