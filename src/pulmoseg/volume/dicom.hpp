#pragma once
// Opens a folder with one DICOM series, one slice a file (ITK and GDCM behind). Internal to volume/.

#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

/// The slices are sorted by their position along the normal of the image plane; the step between the first and the last
/// gives the third axis (so a tilted series keeps its shear). Rescale slope and intercept are applied by GDCM.
/// Error that names the folder or the file: no DICOM image, several series (listed), a damaged image, one without pixel
/// spacing or (among several) without position, colour or multi-frame images, slices of different size or orientation,
/// two in one place, or unevenly spaced. Files that are no DICOM images are left aside, with a warning in the log when
/// the first voxels are read; hidden ones without.
OpenedImage open_dicom_series(const std::filesystem::path& folder);

}  // namespace pulmoseg::volume
