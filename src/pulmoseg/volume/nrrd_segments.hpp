#pragma once
// Segmentations of 3D Slicer (.seg.nrrd) as they are read. Internal to volume/.
//
// After 3D Slicer's vtkMRMLSegmentationStorageNode: fields SegmentN_Name, _LabelValue, _Layer and _Tags; segments that overlap stand
// in several layers, the first axis of the file. Before version 4.11 each segment had a layer and the label 1. What the file holds
// may be cut out of its scan (SegmentN_Extent, Segmentation_ReferenceImageExtentOffset): its own origin says where it lies.

#include <filesystem>
#include <optional>
#include <vector>

#include "pulmoseg/volume/nrrd_header.hpp"
#include "pulmoseg/volume/segment.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

struct NrrdSegments {
  std::filesystem::path file;
  NrrdFileHeader header;  ///< without the axis of the layers
  std::int64_t layers = 1;
  std::vector<FoundSegment> segments;
};

/// Nothing for an NRRD file that names no segments. Error as open_nrrd(), and for a segment in a layer that is not there.
std::optional<NrrdSegments> find_nrrd_segments(const std::filesystem::path& file);

/// Those at `places`, each voxel with its label value.
OpenedImage open_nrrd_segments(const NrrdSegments& found, const std::vector<std::size_t>& places);

}  // namespace pulmoseg::volume
