#pragma once
// The volumes that `pulmoseg segment` writes of one scan, on the scan's own grid, in the format that was asked for.

#include <memory>
#include <span>

#include "pulmoseg/dicom/objects.hpp"
#include "pulmoseg/masks/run_mask.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// Each file appears on commit(). Errors: those of volume/ and dicom/. Threads: one at a time.
class ResultVolumes {
 public:
  /// Whatever cannot be written is said here. `of` outlives it.
  ResultVolumes(const SegmentCase& planned, const dicom::Case& of);
  ResultVolumes(const ResultVolumes&) = delete;
  ResultVolumes& operator=(const ResultVolumes&) = delete;
  ~ResultVolumes();

  bool has_uncertainty() const;
  void write_probability(std::int64_t index, std::span<const float> lesion);  ///< where it was asked for
  void write_uncertainty(std::int64_t index, std::span<const float> entropy);

  /// `order`: of the slices, as the file has them. `lung`: nullptr unless planned.lung is named.
  void write_masks(const masks::RunMask& lesion, const masks::RunMask* lung, std::span<const std::int64_t> order);

  void commit();

  const dicom::SegmentationName* segmentation() const;  ///< nullptr: another format

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::cli
