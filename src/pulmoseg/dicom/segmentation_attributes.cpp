#include "pulmoseg/dicom/segmentation_attributes.hpp"

#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmiod/cielabutil.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/dicom/attributes.hpp"
#include "pulmoseg/dicom/study_attributes.hpp"

namespace pulmoseg::dicom {
namespace {

using volume::Code;
using volume::Segment;
using volume::Vector3;

const Code segmentation_code{"113076", "DCM", "Segmentation"};
const Code source_image_code{"121322", "DCM", "Source image for image processing operation"};
const Code artificial_intelligence{"123110", "DCM", "Artificial Intelligence"};

void put_series_and_equipment(DcmItem& item, const Case& of, const SegmentationName& name, SegmentationKind kind) {
  const auto [date, time] = now();
  const bool binary = kind == SegmentationKind::binary;
  put(item, DCM_SOPClassUID, UID_SegmentationStorage);
  put(item, DCM_SOPInstanceUID, name.sop_instance_uid);
  put(item, DCM_SeriesInstanceUID, name.series_uid);
  put(item, DCM_Modality, "SEG");
  put(item, DCM_SeriesNumber, binary ? "9001" : "9002");
  put(item, DCM_SeriesDescription, binary ? "pulmoseg segmentation" : "pulmoseg lesion probability");
  put(item, DCM_SeriesDate, date);
  put(item, DCM_SeriesTime, time);
  put(item, DCM_InstanceNumber, "1");
  put(item, DCM_ContentDate, date);
  put(item, DCM_ContentTime, time);
  put(item, DCM_Manufacturer, "pulmoseg");
  put(item, DCM_ManufacturerModelName, "pulmoseg");
  put(item, DCM_DeviceSerialNumber, of.algorithm.version);
  put(item, DCM_SoftwareVersions, of.algorithm.version);
}

void put_image_pixel(DcmItem& item, const Case& of, SegmentationKind kind, std::size_t frames) {
  const auto& size = of.source.stored_geometry.size;
  const bool binary = kind == SegmentationKind::binary;
  put(item, DCM_ImageType, "DERIVED\\PRIMARY");
  put(item, DCM_SamplesPerPixel, std::uint16_t{1});
  put(item, DCM_PhotometricInterpretation, "MONOCHROME2");
  put(item, DCM_Rows, static_cast<std::uint16_t>(size[1]));
  put(item, DCM_Columns, static_cast<std::uint16_t>(size[0]));
  put(item, DCM_BitsAllocated, std::uint16_t(binary ? 1 : 8));
  put(item, DCM_BitsStored, std::uint16_t(binary ? 1 : 8));
  put(item, DCM_HighBit, std::uint16_t(binary ? 0 : 7));
  put(item, DCM_PixelRepresentation, std::uint16_t{0});
  put(item, DCM_NumberOfFrames, fmt::format("{}", frames));
  put(item, DCM_SegmentationType, binary ? "BINARY" : "FRACTIONAL");
  if (binary) return;
  put(item, DCM_SegmentationFractionalType, "PROBABILITY");
  put(item, DCM_MaximumFractionalValue, std::uint16_t{255});
}

/// A CS: 16 capital letters at most.
const char* content_label(SegmentationKind kind, std::size_t segments) {
  if (kind == SegmentationKind::probability) return "LESION_PROBABLE";
  return segments == 1 ? "LESION" : "LESION_LUNG";
}

/// PS3.3, C.7.6.1.1.5: once lossy, always lossy, also where the source does not tell how much or by which method.
void put_lossy_compression(DcmItem& source, DcmItem& item) {
  const bool lossy = value_of(source, DCM_LossyImageCompression) == "01";
  put(item, DCM_LossyImageCompression, lossy ? "01" : "00");
  if (!lossy) return;
  for (const DcmTagKey& tag : {DCM_LossyImageCompressionRatio, DCM_LossyImageCompressionMethod})
    source.findAndInsertCopyOfElement(tag, &item);
}

std::array<std::uint16_t, 3> cielab(const std::array<std::uint8_t, 3>& colour) {
  double l = 0, a = 0, b = 0;
  IODCIELabUtil::rgb2DicomLab(l, a, b, colour[0] / 255.0, colour[1] / 255.0, colour[2] / 255.0);
  const auto rounded = [](double value) { return static_cast<std::uint16_t>(std::lround(value)); };
  return {rounded(l), rounded(a), rounded(b)};
}

void put_algorithm(DcmItem& segment, const Algorithm& algorithm) {
  const std::string name = "pulmoseg " + algorithm.version;
  put(segment, DCM_SegmentAlgorithmType, "AUTOMATIC");
  put(segment, DCM_SegmentAlgorithmName, name);
  DcmItem& identification = add_item(segment, DCM_SegmentationAlgorithmIdentificationSequence);
  add_code(identification, DCM_AlgorithmFamilyCodeSequence, artificial_intelligence);
  put(identification, DCM_AlgorithmVersion, algorithm.version);
  put(identification, DCM_AlgorithmParameters,
      fmt::format("model {}, sha256 {}", ascii(algorithm.model), algorithm.model_sha256));
  put(identification, DCM_AlgorithmName, "pulmoseg");
}

void put_segment(DcmItem& item, std::uint16_t number, const Segment& segment, const std::string& tracking_uid,
                 const Algorithm& algorithm) {
  DcmItem& described = add_item(item, DCM_SegmentSequence);
  put(described, DCM_SegmentNumber, number);
  put(described, DCM_SegmentLabel, segment.name);
  put_algorithm(described, algorithm);
  add_code(described, DCM_SegmentedPropertyCategoryCodeSequence, segment.category);
  DcmItem& type = add_code(described, DCM_SegmentedPropertyTypeCodeSequence, segment.type);
  if (segment.type_modifier) add_code(type, DCM_SegmentedPropertyTypeModifierCodeSequence, *segment.type_modifier);
  if (segment.anatomy) add_code(described, DCM_AnatomicRegionSequence, *segment.anatomy);
  put(described, DCM_RecommendedDisplayCIELabValue, cielab(segment.colour));
  put(described, DCM_TrackingID, segment.name);
  put(described, DCM_TrackingUID, tracking_uid);
}

void put_dimensions(DcmItem& item) {
  const std::string organization = new_uid();
  put(add_item(item, DCM_DimensionOrganizationSequence), DCM_DimensionOrganizationUID, organization);
  const auto index = [&](const DcmTagKey& pointer, const DcmTagKey& group, const char* label) {
    DcmItem& dimension = add_item(item, DCM_DimensionIndexSequence);
    put(dimension, DCM_DimensionOrganizationUID, organization);
    put_tag(dimension, DCM_DimensionIndexPointer, pointer);
    put_tag(dimension, DCM_FunctionalGroupPointer, group);
    put(dimension, DCM_DimensionDescriptionLabel, label);
  };
  index(DCM_ReferencedSegmentNumber, DCM_SegmentIdentificationSequence, "Segment");
  index(DCM_ImagePositionPatient, DCM_PlanePositionSequence, "Position");
}

/// Between neighbouring planes, also where their stack leans (gantry tilt).
double distance_of_planes(const volume::Geometry& grid) {
  const auto& [x, y, z] = grid.direction;
  const Vector3 normal{x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]};
  return grid.spacing[2] * std::abs(normal[0] * z[0] + normal[1] * z[1] + normal[2] * z[2]);
}

void put_shared_groups(DcmItem& item, const volume::Geometry& grid) {
  DcmItem& shared = add_item(item, DCM_SharedFunctionalGroupsSequence);
  DcmItem& measures = add_item(shared, DCM_PixelMeasuresSequence);
  put_decimals(measures, DCM_PixelSpacing, std::array{grid.spacing[1], grid.spacing[0]});
  // A voxel of the mask reaches from plane to plane, however thick the slice was that the scanner computed; that of a single
  // slice is as thick as the slice.
  const std::array distance{distance_of_planes(grid)};
  put_decimals(measures, DCM_SliceThickness, distance);
  if (grid.size[2] > 1) put_decimals(measures, DCM_SpacingBetweenSlices, distance);
  const auto& [x, y, z] = grid.direction;
  put_decimals(add_item(shared, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient,
               std::array{x[0], x[1], x[2], y[0], y[1], y[2]});
}

void put_source_image(DcmItem& frame_groups, const volume::DicomFrame& frame) {
  DcmItem& derivation = add_item(frame_groups, DCM_DerivationImageSequence);
  DcmItem& image = add_item(derivation, DCM_SourceImageSequence);
  put(image, DCM_ReferencedSOPClassUID, frame.sop_class_uid);
  put(image, DCM_ReferencedSOPInstanceUID, frame.sop_instance_uid);
  if (frame.frame_number > 0) put(image, DCM_ReferencedFrameNumber, fmt::format("{}", frame.frame_number));
  put(image, DCM_SpatialLocationsPreserved, "YES");
  add_code(image, DCM_PurposeOfReferenceCodeSequence, source_image_code);
  add_code(derivation, DCM_DerivationCodeSequence, segmentation_code);
}

void put_frame(DcmItem& item, std::uint16_t segment, std::uint32_t position, const volume::DicomFrame& frame) {
  DcmItem& groups = add_item(item, DCM_PerFrameFunctionalGroupsSequence);
  put_source_image(groups, frame);
  put(add_item(groups, DCM_FrameContentSequence), DCM_DimensionIndexValues,
      std::array{std::uint32_t{segment}, position});
  put_decimals(add_item(groups, DCM_PlanePositionSequence), DCM_ImagePositionPatient, frame.position);
  put(add_item(groups, DCM_SegmentIdentificationSequence), DCM_ReferencedSegmentNumber, segment);
}

void put_references(DcmItem& item, const Case& of, const std::string& series_uid) {
  DcmItem& series = add_item(item, DCM_ReferencedSeriesSequence);
  std::set<std::string> named;
  for (const auto& frame : of.source.frames) {
    if (!named.insert(frame.sop_instance_uid).second) continue;
    DcmItem& instance = add_item(series, DCM_ReferencedInstanceSequence);
    put(instance, DCM_ReferencedSOPClassUID, frame.sop_class_uid);
    put(instance, DCM_ReferencedSOPInstanceUID, frame.sop_instance_uid);
  }
  put(series, DCM_SeriesInstanceUID, series_uid);
}

}  // namespace

std::unique_ptr<DcmFileFormat> segmentation_attributes(const Case& of, std::span<const Segment> segments,
                                                       SegmentationKind kind, const SegmentationName& name) {
  const auto source_file = load_attributes(of.source.frames.front().file);
  DcmItem& source = *source_file->getDataset();
  auto made = std::make_unique<DcmFileFormat>();
  DcmItem& item = *made->getDataset();
  copy_study_attributes(source, item);
  copy_frame_of_reference(source, item);
  put_series_and_equipment(item, of, name, kind);
  put(item, DCM_ContentLabel, content_label(kind, segments.size()));
  put(item, DCM_ContentDescription, std::string(research_use));
  put(item, DCM_ContentCreatorName, "");
  put_image_pixel(item, of, kind, segments.size() * of.source.frames.size());
  put_lossy_compression(source, item);
  put_dimensions(item);
  put_shared_groups(item, of.source.stored_geometry);
  std::uint16_t number = 0;
  for (const Segment& segment : segments) {
    put_segment(item, number + 1, segment, name.tracking_uids[number], of.algorithm);
    ++number;
    std::uint32_t position = 0;
    for (const auto& frame : of.source.frames) put_frame(item, number, ++position, frame);
  }
  put_references(item, of, value_of(source, DCM_SeriesInstanceUID).value_or(""));
  return made;
}

}  // namespace pulmoseg::dicom
