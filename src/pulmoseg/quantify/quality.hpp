#pragma once
// When not to trust a scan, or the figures from it: each fault a note with a code (docs/schemas.md) and a sentence.
//
// Looks at every slice once, in any order, and keeps 8 KB of each.
//
//     QualityChecker quality(reader.geometry(), reader.source());
//     for (each slice) quality.add({index, rows, columns, pixels, lesion, lung});
//     for (Note& note : quality.finish(intensities)) …
//
// Without lung masks it finds the lungs by their air, where the numbers are Hounsfield units. Threads: one at a time.

#include <cstdint>
#include <optional>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/quantify/chest_notes.hpp"
#include "pulmoseg/quantify/intensity.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/quantify/small_volume.hpp"
#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::quantify {

class QualityChecker {
 public:
  /// `grid`: canonical.
  QualityChecker(const volume::Geometry& grid, const volume::SourceInfo& source);

  /// A canonical slice with its pixels; `lung` empty without a mask, `lesion` is not looked at.
  /// Error when it is not of this grid or has another number of pixels.
  void add(const MeasuredSlice& slice);

  /// Of header, numbers, chest, in this order. Not among them is what a Measurer notes itself, nor SourceInfo::notes.
  std::vector<Note> finish(const IntensityStatistics& intensities) const;

 private:
  bool has_dense_part_in_body(const MeasuredSlice& slice) const;
  void add_lung(const MeasuredSlice& slice);
  std::optional<Note> metal() const;
  std::optional<Note> contrast_by_header() const;
  std::optional<Note> lung_volume() const;
  LungExtent lungs(const std::optional<Chest>& chest, bool no_chest) const;
  std::vector<Note> chest_notes(bool hounsfield) const;

  volume::Geometry grid_;
  volume::SourceInfo source_;
  SmallVolume small_;
  std::vector<std::int64_t> dense_slices_;  ///< with what could be metal, in Hounsfield units
  bool has_lung_mask_ = false;
  LungExtent lung_;                    ///< of the mask, in mm²
  std::vector<LungOutline> outlines_;  ///< of the mask, by slice
};

/// What looks wrong with the numbers.
std::vector<Note> intensity_notes(const IntensityStatistics& intensities, std::int64_t slices);

}  // namespace pulmoseg::quantify
