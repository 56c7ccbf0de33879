#pragma once
// DICOM Segmentations as masks (PS3.3, A.51: BINARY, FRACTIONAL and LABELMAP). Internal to volume/.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/volume/dicom_file.hpp"
#include "pulmoseg/volume/segment.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"

namespace pulmoseg::volume {

struct DicomSegmentation {
  std::filesystem::path source;  ///< what was named: a file, a folder or a ZIP with this one in it
  std::shared_ptr<const DicomFile> file;
  std::shared_ptr<const void> keeps;  ///< holds the file out of a ZIP
  std::vector<FoundSegment> segments;
  bool is_label_map = false;                     ///< a pixel is a SegmentNumber; else each frame is of one segment
  double least_inside = 1;                       ///< where it is no label map: what a pixel has at least inside
  std::optional<double> spacing_between_slices;  ///< mm
  std::string referenced_series;                 ///< SeriesInstanceUID of the scan that it was drawn on; may be ""
};

/// Nothing where no file is a Segmentation. Other series beside it are passed over. Error where there are several, for a damaged one,
/// and for one that describes no segments.
std::optional<DicomSegmentation> find_dicom_segmentation(const std::filesystem::path& path);

/// Those at `places`, each voxel with the SegmentNumber (255 for those above) of the last of its segments; of a fractional one voxels
/// of half of MaximumFractionalValue and more. Frames are sorted by their positions, and where none is, nothing is inside. Where all
/// frames lie on slices of `scan`, the grid is the scan's; else one through the frames.
/// Error for frames without position or on no even grid, and another frame of reference than the scan's.
OpenedImage open_dicom_segmentation(const DicomSegmentation& found, const std::vector<std::size_t>& places,
                                    const SourceInfo* scan);

}  // namespace pulmoseg::volume
