#pragma once
// Voxels that stand in a file as they are or gzipped (NIfTI, NRRD). Internal to volume/.

#include <cstdint>
#include <utility>

#include "pulmoseg/volume/input_bytes.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {

class PackedVoxels : public StoredVoxels {
 public:
  /// The first voxel stands behind the first `skipped` of `bytes`, of which none was read.
  PackedVoxels(InputBytes bytes, std::uint64_t skipped, VoxelType type, bool swapped)
      : bytes_(std::move(bytes)), skipped_(skipped), type_(type), swapped_(swapped) {
    bytes_.skip(skipped_);
  }

  void read(std::span<std::byte> bytes) override {
    bytes_.read(bytes);
    if (swapped_) swap_bytes(bytes, type_);
  }

  void skip(std::uint64_t bytes) override { bytes_.skip(bytes); }

  void finish() override { bytes_.finish(); }

  void rewind() override {
    bytes_.restart();
    bytes_.skip(skipped_);
  }

 private:
  InputBytes bytes_;
  std::uint64_t skipped_;
  VoxelType type_;
  bool swapped_;
};

}  // namespace pulmoseg::volume
