#pragma once
// Writes a volume onto exactly the grid of another file.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

/// Takes canonical axial slices and writes them in the axis order, grid, affine and codes of `like`.
/// The name chooses the format: .nii, .nii.gz or .nrrd. From NIfTI to NIfTI the placing fields of the header are copied
/// as they are (a 2-D file stays 2-D, NIfTI-2 stays NIfTI-2); between formats the geometry is converted.
///
/// Memory: as StoredOrder.
///
/// The file appears on commit(), whole; without it nothing is left behind.
/// Errors: Error for an unwritable file, a value that does not fit `type`, a slice that is missing at commit();
/// UsageError for a name with another ending. Threads: one at a time.
class VolumeWriter {
 public:
  VolumeWriter(const std::filesystem::path& file, const SourceInfo& like, VoxelType type);
  VolumeWriter(VolumeWriter&&) noexcept;
  VolumeWriter& operator=(VolumeWriter&&) noexcept;
  ~VolumeWriter();

  /// `pixels`: rows x columns of canonical slice `index`, each slice once. Integers are rounded to the nearest.
  void write(std::int64_t index, std::span<const float> pixels);
  void write(std::int64_t index, std::span<const std::uint8_t> pixels);

  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
