#include "pulmoseg/volume/dicom_stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/axes.hpp"
#include "pulmoseg/volume/matrix3.hpp"

namespace pulmoseg::volume {
namespace {

constexpr double same_place_mm = 1e-3;
constexpr double position_tolerance = 0.1;  // of a step, of a pixel
constexpr double rounding_mm = 0.1;         // positions of one decimal, and the ends of the line are rounded too
constexpr double step_tolerance = 0.2;      // of the usual step: two positions may be off in opposite directions

[[noreturn]] void refuse(const std::string& what, std::string_view found, std::string_view expected) {
  throw Error(fmt::format("{}: {}, expected {}", what, found, expected));
}

bool is_placed(const DicomImage& image) { return image.position && image.axes; }

Vector3 normal_of(const DicomImage& image) { return cross((*image.axes)[0], (*image.axes)[1]); }

std::vector<DicomSlice> all_slices(std::span<const std::shared_ptr<const DicomFile>> files) {
  std::vector<DicomSlice> slices;
  for (const auto& file : files) {
    for (const DicomImage& image : file->images) slices.push_back({file, image});
  }
  return slices;
}

void check_image(const DicomSlice& slice, bool alone) {
  const DicomFile& file = *slice.file;
  if (!file.format.is_grey)
    refuse(file.name, "is a colour image", "grey values of a CT; choose another series or remove the file");
  if (file.has_modality_lut)
    refuse(file.name, "has a Modality LUT", "RescaleSlope and RescaleIntercept; export the series again with them");
  if (!(std::min(slice.image.spacing[0], slice.image.spacing[1]) > 0)) {
    refuse(slice.name(), "has no PixelSpacing (0028,0030) of two positive numbers",
           "millimetres from pixel to pixel; export the series again with them");
  }
  if (!alone && !is_placed(slice.image)) {
    refuse(
        slice.name(), "does not say where in the patient it lies",
        "ImagePositionPatient (0020,0032) and ImageOrientationPatient (0020,0037); export the series again with them");
  }
}

/// From the first pixel of a slice to its last, along one of its axes.
Vector3 edge(const DicomSlice& slice, std::size_t axis) {
  const int pixels = axis == 0 ? slice.file->format.columns : slice.file->format.rows;
  return scale((*slice.image.axes)[axis], (pixels - 1) * slice.image.spacing[axis]);
}

/// Equal when their corners would lie in the same places.
bool same_shape(const DicomSlice& a, const DicomSlice& b) {
  const auto &x = a.file->format, &y = b.file->format;
  if (x.rows != y.rows || x.columns != y.columns) return false;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (norm(subtract(edge(a, axis), edge(b, axis))) > position_tolerance * a.image.spacing[axis]) return false;
    // One pixel wide or high: the edge has no length, the step still counts.
    if (std::abs(a.image.spacing[axis] - b.image.spacing[axis]) > position_tolerance * a.image.spacing[axis])
      return false;
    if (dot((*a.image.axes)[axis], (*b.image.axes)[axis]) < 0.99) return false;
  }
  return true;
}

void check_one_stack(const std::vector<DicomSlice>& slices) {
  const DicomSlice& first = slices.front();
  const std::string frame_of_reference = first.file->attribute("FrameOfReferenceUID");
  for (const DicomSlice& slice : slices) {
    constexpr const char* expected = "one stack of parallel slices; remove what does not belong to it";
    if (!same_shape(first, slice))
      refuse(slice.name(), "has another size, pixel spacing or orientation than " + first.name(), expected);
    if (slice.file->attribute("FrameOfReferenceUID") != frame_of_reference)
      refuse(slice.name(), "has another frame of reference than " + first.name(), expected);
    if (slice.image.is_rescaled != first.image.is_rescaled) {
      refuse((slice.image.is_rescaled ? first : slice).name(),
             "has no RescaleSlope and RescaleIntercept as others have",
             "them in all slices or in none; export the series again with them");
    }
    if (slice.image.stack != first.image.stack)
      refuse(slice.file->name, "holds several stacks of slices", "one; export them as series of their own");
    if (slice.image.temporal_position != first.image.temporal_position)
      refuse(slice.file->name, "holds several points in time", "one; export them as series of their own");
  }
}

std::string place(const DicomSlice& slice, const Vector3& normal) {
  return fmt::format("{} at {:.6g} mm", slice.name(), dot(*slice.image.position, normal));
}

/// Why there may be two images in one place: " (AcquisitionNumber 1 and 2)". "" when the headers tell no reason.
std::string difference(const DicomFile& a, const DicomFile& b) {
  for (const char* keyword :
       {"TemporalPositionIdentifier", "AcquisitionNumber", "ConvolutionKernel", "AcquisitionTime"}) {
    const std::string one = a.attribute(keyword), other = b.attribute(keyword);
    if (one != other && !one.empty() && !other.empty()) return fmt::format(" ({} {} and {})", keyword, one, other);
  }
  return "";
}

/// One of those that are there twice is kept.
void drop_duplicates(std::vector<DicomSlice>& slices,
                     const std::function<bool(const DicomSlice&, const DicomSlice&)>& equal, std::vector<Note>& notes) {
  std::vector<DicomSlice> kept;
  std::string example;
  for (DicomSlice& slice : slices) {
    if (!kept.empty() && norm(subtract(*slice.image.position, *kept.back().image.position)) < same_place_mm) {
      const std::string both = fmt::format("{} and {}", kept.back().name(), slice.name());
      if (!equal(kept.back(), slice)) {
        throw Error(
            fmt::format("{} are two different images in one place{}, expected one CT volume; remove one of them, or "
                        "give each stack a folder of its own",
                        both, difference(*kept.back().file, *slice.file)));
      }
      if (example.empty()) example = both;
      continue;
    }
    kept.push_back(std::move(slice));
  }
  if (const std::size_t dropped = slices.size() - kept.size(); dropped > 0) {
    notes.push_back({"duplicate_slices",
                     fmt::format("{} there twice, with the same pixels in the same place ({}); taken once",
                                 dropped == 1 ? "1 slice is" : fmt::format("{} slices are", dropped), example)});
  }
  slices = std::move(kept);
}

std::vector<double> steps_between(std::span<const double> positions) {
  std::vector<double> steps;
  for (std::size_t n = 1; n < positions.size(); ++n) steps.push_back(positions[n] - positions[n - 1]);
  return steps;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void check_steps(const std::vector<DicomSlice>& slices, const Vector3& normal, const std::string& series) {
  std::vector<double> positions;
  for (const DicomSlice& slice : slices) positions.push_back(dot(*slice.image.position, normal));
  const std::vector<double> steps = steps_between(positions);
  const double usual = median(steps);
  for (std::size_t n = 0; n < steps.size(); ++n) {
    if (std::abs(steps[n] - usual) <= step_tolerance * usual) continue;
    const std::string where = fmt::format("between {} and {} are {:.4g} mm, between others {:.4g} mm",
                                          place(slices[n], normal), place(slices[n + 1], normal), steps[n], usual);
    const double missing = steps[n] / usual - 1;
    if (missing > 0.8 && std::abs(missing - std::round(missing)) < step_tolerance) {
      refuse(series,
             fmt::format("{} probably missing: {}",
                         missing < 1.5 ? "1 slice is" : fmt::format("{} slices are", std::round(missing)), where),
             "evenly spaced slices; copy or export the whole series again");
    }
    refuse(series, "has uneven steps: " + where, "evenly spaced slices; choose a series of even steps");
  }
}

/// Each slice has to lie where the grid puts it.
void check_positions(const std::vector<DicomSlice>& slices, const Vector3& step, const Vector3& normal,
                     const std::string& series) {
  const DicomImage& first = slices.front().image;
  for (std::size_t n = 0; n < slices.size(); ++n) {
    const Vector3 off =
        subtract(subtract(*slices[n].image.position, *first.position), scale(step, static_cast<double>(n)));
    if (std::abs(dot(off, normal)) > position_tolerance * std::abs(dot(step, normal)))
      refuse(series,
             fmt::format("has uneven steps: {} lies {:.3g} mm from an even grid", slices[n].name(), dot(off, normal)),
             "evenly spaced slices; choose a series of even steps");
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const double aside = dot(off, (*first.axes)[axis]);
      if (std::abs(aside) <= std::max(position_tolerance * first.spacing[axis], rounding_mm)) continue;
      refuse(slices[n].name(), fmt::format("lies {:.3g} mm beside the line of the other slices of {}", aside, series),
             "slices on one line; choose another series");
    }
  }
}

void note_tilt(const Vector3& step, const Vector3& normal, std::vector<Note>& notes) {
  const double degrees = std::acos(std::clamp(dot(step, normal) / norm(step), -1.0, 1.0)) * 180 / std::numbers::pi;
  if (degrees < 0.5) return;
  notes.push_back(
      {"gantry_tilt", fmt::format("the slices are tilted by {:.1f} degrees against the line along which they are "
                                  "stacked (gantry tilt); each is seen in its own plane, nothing is resampled",
                                  degrees)});
}

std::optional<double> thickness(const DicomFile& file) {
  const auto number = parse_number<double>(file.attribute("SliceThickness"));
  return number && *number > 0 && std::isfinite(*number) ? number : std::nullopt;
}

Geometry geometry_of(const std::vector<DicomSlice>& slices, const Vector3& third_step) {
  const DicomSlice& first = slices.front();
  const auto& axes = *first.image.axes;
  return geometry_from_steps(
      {first.file->format.columns, first.file->format.rows, static_cast<std::int64_t>(slices.size())},
      {scale(axes[0], first.image.spacing[0]), scale(axes[1], first.image.spacing[1]), third_step},
      *first.image.position, first.file->name);
}

}  // namespace

DicomStack stack_slices(std::span<const std::shared_ptr<const DicomFile>> files, const std::string& series,
                        const std::function<bool(const DicomSlice&, const DicomSlice&)>& equal) {
  DicomStack stack;
  stack.slices = all_slices(files);
  std::vector<DicomSlice>& slices = stack.slices;
  for (const DicomSlice& slice : slices) check_image(slice, slices.size() == 1);
  DicomImage& first = slices.front().image;
  stack.placed = is_placed(first);
  if (!stack.placed) first.position = Vector3{}, first.axes = {{{1, 0, 0}, {0, 1, 0}}};
  check_one_stack(slices);
  const Vector3 normal = normal_of(first);
  std::ranges::stable_sort(slices, {}, [&](const DicomSlice& slice) { return dot(*slice.image.position, normal); });
  drop_duplicates(slices, equal, stack.notes);
  if (slices.size() == 1) {
    const auto mm = thickness(*slices.front().file);
    stack.is_thick = mm.has_value();
    stack.geometry = geometry_of(slices, scale(normal, mm.value_or(1)));
    return stack;
  }
  check_steps(slices, normal, series);
  const Vector3 step = scale(subtract(*slices.back().image.position, *slices.front().image.position),
                             1 / static_cast<double>(slices.size() - 1));
  check_positions(slices, step, normal, series);
  note_tilt(step, normal, stack.notes);
  stack.geometry = geometry_of(slices, step);
  return stack;
}

std::optional<double> usual_step(std::span<const std::shared_ptr<const DicomFile>> files) {
  std::vector<double> positions;
  std::optional<Vector3> normal;
  for (const auto& file : files) {
    for (const DicomImage& image : file->images) {
      if (!is_placed(image)) continue;
      if (!normal) normal = normal_of(image);
      positions.push_back(dot(*image.position, *normal));
    }
  }
  std::ranges::sort(positions);
  std::vector<double> steps = steps_between(positions);
  std::erase_if(steps, [](double step) { return step < same_place_mm; });
  return steps.empty() ? std::nullopt : std::optional(median(steps));
}

}  // namespace pulmoseg::volume
