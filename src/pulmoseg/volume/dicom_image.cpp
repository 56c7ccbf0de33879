#include "pulmoseg/volume/dicom_image.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/dicom_values.hpp"
#include "pulmoseg/volume/matrix3.hpp"

namespace pulmoseg::volume {
namespace {

/// Where the values of an image stand.
struct Places {
  DcmItem* frame = nullptr;
  DcmItem* shared = nullptr;
  DcmItem& data_set;

  std::string value(const DcmTagKey& functional_group, const DcmTagKey& tag) const {
    for (DcmItem* groups : {frame, shared}) {
      DcmItem* const group = first_item(groups, functional_group);
      if (!group) continue;
      if (std::string found = text_of(group, tag); !found.empty()) return found;
    }
    return text_of(&data_set, tag);
  }
};

/// Two perpendicular unit vectors, or nothing. Their decimals are few: what is nearly so counts.
std::optional<std::array<Vector3, 2>> unit_axes(const std::string& orientation) {
  const auto numbers = decimals<6>(orientation);
  if (!numbers) return std::nullopt;
  std::array<Vector3, 2> axes{};
  for (std::size_t i = 0; i < 6; ++i) axes[i / 3][i % 3] = (*numbers)[i];
  for (Vector3& axis : axes) {
    const double length = norm(axis);
    if (!(std::abs(length - 1) < 0.01)) return std::nullopt;
    for (double& component : axis) component /= length;
  }
  return std::abs(dot(axes[0], axes[1])) < 0.01 ? std::optional(axes) : std::nullopt;
}

/// `damage` is set where a number cannot be read that stands there.
DicomImage read_image(const Places& places, std::string& damage) {
  DicomImage image;
  image.position = decimals<3>(places.value(DCM_PlanePositionSequence, DCM_ImagePositionPatient));
  image.axes = unit_axes(places.value(DCM_PlaneOrientationSequence, DCM_ImageOrientationPatient));
  if (const auto spacing = decimals<2>(places.value(DCM_PixelMeasuresSequence, DCM_PixelSpacing)))
    image.spacing = {(*spacing)[1], (*spacing)[0]};  // PS3.3, 10.7.1.3: between rows comes first
  const auto rescale = [&](const DcmTagKey& tag, double& number) {
    const std::string value = places.value(DCM_PixelValueTransformationSequence, tag);
    if (value.empty()) return;
    image.is_rescaled = true;
    const auto found = decimal(value);
    if (!found) damage = fmt::format("has the {} \"{}\"", DcmTag(tag).getTagName(), value);
    number = found.value_or(number);
  };
  rescale(DCM_RescaleSlope, image.slope);
  rescale(DCM_RescaleIntercept, image.intercept);
  if (image.slope == 0) damage = "has the RescaleSlope 0";
  if (places.frame) {
    image.segment =
        parse_number<int>(places.value(DCM_SegmentIdentificationSequence, DCM_ReferencedSegmentNumber)).value_or(0);
    image.stack = places.value(DCM_FrameContentSequence, DCM_StackID);
    image.temporal_position = places.value(DCM_FrameContentSequence, DCM_TemporalPositionIndex);
  }
  return image;
}

}  // namespace

std::vector<DicomImage> read_images(DcmItem& data_set, std::size_t frames, std::string& damage) {
  DcmItem* const shared = first_item(&data_set, DCM_SharedFunctionalGroupsSequence);
  DcmSequenceOfItems* per_frame = nullptr;
  std::vector<DicomImage> images;
  if (data_set.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, per_frame).good() && per_frame) {
    if (per_frame->card() != frames) {
      damage = fmt::format("describes {} frames and has {}", per_frame->card(), frames);
      return images;
    }
    DcmObject* object = nullptr;
    while ((object = per_frame->nextInContainer(object)) != nullptr) {
      images.push_back(
          read_image({.frame = static_cast<DcmItem*>(object), .shared = shared, .data_set = data_set}, damage));
      images.back().frame_number = static_cast<int>(images.size());
    }
    return images;
  }
  images.push_back(read_image({.shared = shared, .data_set = data_set}, damage));
  if (frames == 1) return images;
  // Without groups there is nothing that says where each frame lies.
  images.front().position.reset();
  images.resize(std::min<std::size_t>(frames, 100000), images.front());
  for (std::size_t i = 0; i < images.size(); ++i) images[i].frame_number = static_cast<int>(i) + 1;
  return images;
}

}  // namespace pulmoseg::volume
