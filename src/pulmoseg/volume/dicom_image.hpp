#pragma once
// Where the images of one DICOM data set lie, and what their pixels mean (DCMTK behind). Internal to volume/.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/volume/geometry.hpp"

class DcmItem;

namespace pulmoseg::volume {

/// One slice: a file's only image, or a frame of it.
struct DicomImage {
  int frame_number = 0;                        ///< from 1; 0: the file is one image
  std::optional<Vector3> position;             ///< ImagePositionPatient
  std::optional<std::array<Vector3, 2>> axes;  ///< ImageOrientationPatient: unit vectors along a row and along a column
  std::array<double, 2> spacing{};             ///< mm from column to column and from row to row; 0: not said
  double slope = 1, intercept = 0;             ///< value = slope * stored + intercept
  bool is_rescaled = false;                    ///< its header says slope or intercept
  int segment = 0;                             ///< of a frame of a Segmentation: ReferencedSegmentNumber; 0: not said
  std::string stack, temporal_position;        ///< of a multi-frame file; "" where it says none
};

/// `frames` of them, by the per-frame functional groups where there are some: a frame's own, then the shared ones, then the data set
/// itself (PS3.3, C.7.6.16). `damage` is set to what is wrong, where a number stands there that cannot be read.
std::vector<DicomImage> read_images(DcmItem& data_set, std::size_t frames, std::string& damage);

}  // namespace pulmoseg::volume
