#include "pulmoseg/quantify/inspection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::quantify {
namespace {

using volume::Geometry;
using volume::SourceInfo;
using volume::Vector3;

constexpr double thick_slice_mm = 5.0;    // beyond, small lesions fall between slices
constexpr double largest_chest_mm = 600;  // no scanner's field of view is wider
constexpr double smallest_chest_mm = 180;
constexpr double oblique_degrees = 1.0;

double length(const Vector3& v) { return std::hypot(v[0], v[1], v[2]); }

double angle_degrees(const Vector3& a, const Vector3& b) {
  const double dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  return std::acos(std::clamp(dot / (length(a) * length(b)), -1.0, 1.0)) * 180 / std::acos(-1.0);
}

void check_position(const Geometry& geometry, const SourceInfo& source, std::vector<Note>& warnings) {
  if (!source.has_geometry) {
    warnings.push_back(
        {"no_geometry", "the header declares no position in the patient; left and right, up and down are assumed"});
  }
  if (is_default_spacing(geometry.spacing)) {
    warnings.push_back(
        {"spacing_is_default",
         "the spacing is 1 x 1 x 1 mm, as headers without a true spacing say; volumes in ml may be wrong"});
  }
  double tilt = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    Vector3 patient{};
    patient[axis] = 1;
    tilt = std::max(tilt, angle_degrees(geometry.direction[axis], patient));
  }
  if (source.has_geometry && tilt > oblique_degrees) {
    warnings.push_back(
        {"oblique", fmt::format("the slices are turned by {:.1f} degrees against the patient's axes", tilt)});
  }
  double skew = 0;
  for (const auto& [a, b] : {std::array{0, 1}, std::array{0, 2}, std::array{1, 2}}) {
    const double angle =
        angle_degrees(geometry.direction[static_cast<std::size_t>(a)], geometry.direction[static_cast<std::size_t>(b)]);
    skew = std::max(skew, std::abs(angle - 90));
  }
  if (skew > 0.1) {
    warnings.push_back({"sheared", fmt::format("the axes are {:.1f} degrees off a right angle (gantry tilt)", skew)});
  }
}

void check_extent(const Geometry& geometry, const SourceInfo& source, std::vector<Note>& warnings) {
  if (geometry.size[2] == 1) {
    warnings.push_back({"single_slice", "one slice only"});
  } else if (geometry.spacing[2] > thick_slice_mm) {
    warnings.push_back(
        {"thick_slices",
         fmt::format("the slices are {:.1f} mm apart; small lesions may lie between them", geometry.spacing[2])});
  }
  if (known_spacing(source) == KnownSpacing::none) return;
  const double width = static_cast<double>(geometry.size[0]) * geometry.spacing[0];
  if (width > largest_chest_mm || width < smallest_chest_mm) {
    warnings.push_back(
        {"unusual_field_of_view", fmt::format("the picture is {:.0f} mm wide; a chest CT is {:.0f} to {:.0f}", width,
                                              smallest_chest_mm, largest_chest_mm)});
  }
}

/// Two affines in one header that disagree: other programs may place the scan elsewhere than we do.
void check_nifti(const volume::NiftiHeader& header, const Geometry& geometry, std::vector<Note>& warnings) {
  const double apart = volume::affine_disagreement(header);
  const double voxel = *std::min_element(geometry.spacing.begin(), geometry.spacing.end());
  if (apart < voxel / 2) return;
  warnings.push_back(
      {"affines_disagree",
       fmt::format(
           "the header's qform and sform place the volume up to {:.1f} mm apart; programs differ in which they follow",
           apart)});
}

std::string some_of(const std::vector<std::int64_t>& slices) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(slices.size(), 5); ++i)
    text += fmt::format("{}{}", i ? ", " : "", slices[i]);
  return slices.size() > 5 ? text + ", …" : text;
}

void check_intensities(const IntensityStatistics& facts, std::int64_t slices, std::vector<Note>& warnings) {
  const bool mask = facts.scale == IntensityScale::labels;
  if (facts.minimum == facts.maximum) {
    warnings.push_back({"constant", fmt::format("every voxel is {:g}", facts.minimum)});
    return;
  }
  if (!mask && !facts.constant_slices.empty()) {
    warnings.push_back(
        {"constant_slices", fmt::format("{} of {} slices hold one value only: {}", facts.constant_slices.size(), slices,
                                        some_of(facts.constant_slices))});
  }
  if (!mask && facts.scale != IntensityScale::hounsfield) {
    warnings.push_back({"not_hounsfield", std::string(describe(facts.scale))});
  }
  if (!mask && slices > 1 && 10 * facts.full_range_slices >= 9 * slices) {
    warnings.push_back({"scaled_slice_by_slice",
                        fmt::format("{} of {} slices reach from {:g} to {:g}: they were scaled one by one, so "
                                    "grey means something else in each",
                                    facts.full_range_slices, slices, facts.minimum, facts.maximum)});
  }
  if (facts.scale == IntensityScale::hounsfield && facts.minimum < -1100) {
    warnings.push_back({"padding", fmt::format("values down to {:g} HU: padding outside of the scanner's field of view",
                                               facts.minimum)});
  }
}

}  // namespace

std::vector<Note> find_warnings(const Geometry& geometry, const SourceInfo& source,
                                const IntensityStatistics& intensities) {
  std::vector<Note> warnings;
  check_position(geometry, source, warnings);
  check_extent(geometry, source, warnings);
  if (source.nifti) check_nifti(*source.nifti, geometry, warnings);
  check_intensities(intensities, geometry.size[2], warnings);
  return warnings;
}

Inspection inspect_volume(const std::filesystem::path& file_or_dicom_folder) {
  auto reader = volume::VolumeReader::open(file_or_dicom_folder);
  IntensityAccumulator accumulator;
  volume::AxialSlice slice;
  while (reader.next(slice)) accumulator.add_slice(slice.index, slice.pixels);
  Inspection inspection{reader.geometry(), reader.source(), accumulator.finish(), {}};
  inspection.warnings = find_warnings(inspection.geometry, inspection.source, inspection.intensities);
  return inspection;
}

}  // namespace pulmoseg::quantify
