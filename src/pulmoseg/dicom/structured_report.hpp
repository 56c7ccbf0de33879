#pragma once
// Measurements as a DICOM Structured Report: Comprehensive 3D SR after template TID 1500 (PS3.16), not verified.

#include <filesystem>

#include "pulmoseg/dicom/objects.hpp"
#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::dicom {

/// One group of figures (TID 1411) for each segment of `segmentation`, lesion and, if `lung_is_segment`, lung; one without a
/// segment (TID 1501) for what has none: sides and thirds of the lung, and a lung that is no segment. What is not known is left
/// out.
///
/// Writes the file whole or not at all. Error when it cannot be written. Threads: one at a time.
void write_structured_report(const std::filesystem::path& file, const Case& of,
                             const quantify::Measurements& measurements, const SegmentationName& segmentation,
                             bool lung_is_segment);

}  // namespace pulmoseg::dicom
