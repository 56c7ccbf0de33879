#include "pulmoseg/volume/dicom_attributes.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <array>
#include <utility>

#include "pulmoseg/volume/dicom_values.hpp"

namespace pulmoseg::volume {
namespace {

const std::array<std::pair<const char*, DcmTagKey>, 36>& wanted_attributes() {
  static const std::array<std::pair<const char*, DcmTagKey>, 36> wanted{{
      {"ImageType", DCM_ImageType},
      {"SOPClassUID", DCM_SOPClassUID},
      {"StudyDate", DCM_StudyDate},
      {"StudyTime", DCM_StudyTime},
      {"SeriesDate", DCM_SeriesDate},
      {"SeriesTime", DCM_SeriesTime},
      {"AcquisitionDate", DCM_AcquisitionDate},
      {"AcquisitionTime", DCM_AcquisitionTime},
      {"AcquisitionNumber", DCM_AcquisitionNumber},
      {"TemporalPositionIdentifier", DCM_TemporalPositionIdentifier},
      {"AccessionNumber", DCM_AccessionNumber},
      {"Modality", DCM_Modality},
      {"Manufacturer", DCM_Manufacturer},
      {"ManufacturerModelName", DCM_ManufacturerModelName},
      {"ReferringPhysicianName", DCM_ReferringPhysicianName},
      {"StudyDescription", DCM_StudyDescription},
      {"SeriesDescription", DCM_SeriesDescription},
      {"PatientName", DCM_PatientName},
      {"PatientID", DCM_PatientID},
      {"PatientBirthDate", DCM_PatientBirthDate},
      {"PatientSex", DCM_PatientSex},
      {"PatientAge", DCM_PatientAge},
      {"ContrastBolusAgent", DCM_ContrastBolusAgent},
      {"BodyPartExamined", DCM_BodyPartExamined},
      {"SliceThickness", DCM_SliceThickness},
      {"KVP", DCM_KVP},
      {"GantryDetectorTilt", DCM_GantryDetectorTilt},
      {"ConvolutionKernel", DCM_ConvolutionKernel},
      {"PatientPosition", DCM_PatientPosition},
      {"StudyInstanceUID", DCM_StudyInstanceUID},
      {"SeriesInstanceUID", DCM_SeriesInstanceUID},
      {"StudyID", DCM_StudyID},
      {"SeriesNumber", DCM_SeriesNumber},
      {"FrameOfReferenceUID", DCM_FrameOfReferenceUID},
      {"PixelPaddingValue", DCM_PixelPaddingValue},
      {"RescaleType", DCM_RescaleType},
  }};
  return wanted;
}

/// Of a multi-frame file also from its shared functional groups, or the first frame's.
std::string find_value(DcmItem& data_set, const DcmTagKey& tag) {
  if (std::string found = encoded_text(&data_set, tag); !found.empty()) return found;
  for (const auto& groups_tag : {DCM_SharedFunctionalGroupsSequence, DCM_PerFrameFunctionalGroupsSequence}) {
    DcmItem* const groups = first_item(&data_set, groups_tag);
    DcmObject* group = nullptr;
    while (groups && (group = groups->nextInContainer(group)) != nullptr) {
      DcmItem* const item = first_item(groups, group->getTag());
      if (!item) continue;
      if (std::string found = encoded_text(item, tag); !found.empty()) return found;
    }
  }
  return "";
}

}  // namespace

std::map<std::string, std::string> read_attributes(DcmItem& data_set) {
  std::map<std::string, std::string> attributes;
  for (const auto& [keyword, tag] : wanted_attributes()) {
    std::string value = to_utf8(data_set, find_value(data_set, tag));
    if (!value.empty()) attributes.emplace(keyword, std::move(value));
  }
  return attributes;
}

}  // namespace pulmoseg::volume
