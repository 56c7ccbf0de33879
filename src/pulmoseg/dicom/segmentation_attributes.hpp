#pragma once
// All of a DICOM Segmentation but its pixels. Internal to dicom/.
//
// Source: DICOM PS3.3, A.51 and C.8.20; Multi-frame Functional Groups C.7.6.16, Dimensions C.7.6.17.

#include <memory>
#include <span>

#include "pulmoseg/dicom/objects.hpp"
#include "pulmoseg/dicom/segmentation_writer.hpp"

class DcmFileFormat;

namespace pulmoseg::dicom {

/// One frame for every slice of the source and segment: all slices, in stored order, of the first segment, then those of the
/// second.
std::unique_ptr<DcmFileFormat> segmentation_attributes(const Case& of, std::span<const volume::Segment> segments,
                                                       SegmentationKind kind, const SegmentationName& name);

}  // namespace pulmoseg::dicom
