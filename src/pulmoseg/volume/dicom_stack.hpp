#pragma once
// The slices of a DICOM series as one grid. Internal to volume/.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/volume/dicom_file.hpp"

namespace pulmoseg::volume {

struct DicomStack {
  std::vector<DicomSlice> slices;  ///< by position along the normal of the image plane
  Geometry geometry;               ///< a tilted series keeps its shear: each slice lies where its own header says
  bool placed = true;              ///< false: one slice that does not say where in the patient it lies
  bool is_thick = true;            ///< false: one slice that does not say how thick it is; 1 mm stands in the geometry
  std::vector<Note> notes;         ///< "duplicate_slices", "gantry_tilt"
};

/// Sorts the slices of all frames of `files` by position, never by name or number. Slices in one place for which `equal` says that
/// their pixels are the same are dropped but for one.
///
/// Error that names the file: a damaged one, pixels that are no grey values, no pixel spacing, no position (among several slices),
/// another size, pixel spacing, orientation or frame of reference than the first, rescaling in some slices only, several stacks or
/// times; two different images in one place, a gap, uneven steps, a slice shifted sideways. A slice may lie a tenth of a step or of a
/// pixel (or 0.1 mm) from where an even grid has it: positions are rounded in the files. `series` names the whole in such lines.
DicomStack stack_slices(std::span<const std::shared_ptr<const DicomFile>> files, const std::string& series,
                        const std::function<bool(const DicomSlice&, const DicomSlice&)>& equal);

/// The usual distance in mm between neighbouring positions along the normal; nothing when fewer than two places are known.
std::optional<double> usual_step(std::span<const std::shared_ptr<const DicomFile>> files);

}  // namespace pulmoseg::volume
