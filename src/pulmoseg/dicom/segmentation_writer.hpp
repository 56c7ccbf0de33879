#pragma once
// Writes masks or probabilities as a DICOM Segmentation (PS3.3, A.51).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "pulmoseg/dicom/objects.hpp"
#include "pulmoseg/volume/segment.hpp"

namespace pulmoseg::dicom {

enum class SegmentationKind {
  binary,      ///< one bit a voxel
  probability  ///< FRACTIONAL, PROBABILITY: one byte, 0 to 255 for 0 to 1
};

/// Takes canonical slices and writes a frame for every slice of the source, in its own place, for each segment, those without
/// a voxel too: some viewers stack frames by their number, and would pull a segmentation with gaps together; and a segment of
/// which nothing was found stays a segment. Each frame names the source's instance (and frame) that it lies on.
///
/// Memory: as volume::StoredOrder, one byte a voxel. The file appears on commit(), whole; without it nothing is left behind.
///
/// Errors: Error for a source that is no DICOM series, has no position in the patient or lacks the UIDs to name it by, a file
/// that cannot be written, more than 4 GB of frames, a value that is no mask or probability. Threads: one at a time.
class SegmentationWriter {
 public:
  SegmentationWriter(const std::filesystem::path& file, const Case& of, std::vector<volume::Segment> segments,
                     SegmentationKind kind);
  SegmentationWriter(SegmentationWriter&&) noexcept;
  SegmentationWriter& operator=(SegmentationWriter&&) noexcept;
  ~SegmentationWriter();

  /// `pixels`: rows x columns of canonical slice `index`. All slices of the first segment, in any order, then all of the
  /// second …
  void write(std::int64_t index, std::span<const std::uint8_t> mask);    ///< binary: not 0 is inside
  void write(std::int64_t index, std::span<const float> probabilities);  ///< probability: 0 to 1

  const SegmentationName& name() const;
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::dicom
