#pragma once
// Files that hold masks with names: DICOM Segmentations and 3D Slicer's .seg.nrrd.

#include <filesystem>
#include <string>
#include <vector>

#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/segment.hpp"

namespace pulmoseg::volume {

struct SegmentationFile {
  std::string format;  ///< "DICOM Segmentation", "NRRD segmentation"; "" for any other file
  std::vector<FoundSegment> segments;
  Geometry geometry;  ///< canonical; of a DICOM Segmentation without the empty slices below and above its frames
};

/// What a file holds, without its voxels. Error for a damaged one.
SegmentationFile describe_segmentation(const std::filesystem::path& file);

}  // namespace pulmoseg::volume
