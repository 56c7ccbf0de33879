#pragma once
// Opens a DICOM series (see dicom_series.hpp) as a volume. Internal to volume/.

#include <vector>

#include "pulmoseg/volume/dicom_series.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

/// Slope and intercept are each slice's own and applied on reading: SourceInfo's are 1 and 0, and the voxel type is the smallest of
/// int16, uint16, int32 and float32 that holds all that the headers allow. Pixels are read slice by slice. `found` are all series
/// beside it: those that were left out are noted. Errors as stack_slices(); a damaged file of the series.
OpenedImage open_dicom_series(const DicomSeries& series, const std::vector<DicomSeries>& found);

}  // namespace pulmoseg::volume
