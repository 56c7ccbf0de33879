#pragma once
// Between the affine of a NIfTI header (RAS, the file's units) and Geometry (LPS, mm). Internal to volume/.
//
// Source: the comments of nifti1.h (methods 2 and 3), nibabel for files that declare no position (method 1 there is
// ambiguous; nibabel's choice is centred, with the columns running to the left).

#include <filesystem>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

struct NiftiPlace {
  Geometry geometry;
  int dimensions = 3;
  bool has_geometry = true;
};

/// sform when its code is positive, else qform when its code is, else pixdim alone (has_geometry false). A sheared
/// sform is taken as it stands. Error that names `file`: not one 2-D or 3-D image, a size or spacing that is not
/// positive, singular axes.
NiftiPlace nifti_place(const NiftiHeader& header, const std::filesystem::path& file);

/// A header for a grid that came from another format. The sform holds the axes; the qform too where they are orthogonal.
NiftiHeader nifti_header_for(const SourceInfo& like);

}  // namespace pulmoseg::volume
