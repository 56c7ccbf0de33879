#pragma once
// The grid on which the frames of a DICOM Segmentation lie, also where some of them were left out. Internal to volume/.

#include <cstdint>
#include <optional>
#include <vector>

#include "pulmoseg/volume/dicom_file.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

struct FrameGrid {
  Geometry geometry;
  std::vector<std::int64_t> plane_of_frame;  ///< the third index of each of the file's frames
};

/// The scan's own slices, where each frame lies on one of them and they are as far apart as the frames say (SpacingBetweenSlices,
/// SliceThickness), or `is_of_scan`. Else planes from the first frame to the last in steps of SpacingBetweenSlices, SliceThickness or
/// the least distance of two frames, the first of these in which all of them lie evenly.
/// Error that names the file for a frame without position, orientation or spacing, of another orientation or spacing than the first,
/// or on no even grid.
FrameGrid grid_of_frames(const DicomFile& file, std::optional<double> spacing_between_slices, const SourceInfo* scan,
                         bool is_of_scan);

}  // namespace pulmoseg::volume
