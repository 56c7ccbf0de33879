#include "pulmoseg/quantify/header_notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"
#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::quantify {
namespace {

using volume::Geometry;
using volume::SourceInfo;
using volume::Vector3;

constexpr double thick_slice_mm = 5.0;    // beyond, small lesions fall between slices
constexpr double largest_chest_mm = 600;  // no scanner's field of view is wider
constexpr double smallest_chest_mm = 180;
constexpr double oblique_degrees = 1.0;
constexpr double tilt_degrees = 0.1;
constexpr double largest_gap = 1.1;  // spacing by thickness: what a rounded SliceThickness may be off

double length(const Vector3& v) { return std::hypot(v[0], v[1], v[2]); }

double angle_degrees(const Vector3& a, const Vector3& b) {
  const double dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  return std::acos(std::clamp(dot / (length(a) * length(b)), -1.0, 1.0)) * 180 / std::acos(-1.0);
}

void check_position(const Geometry& grid, const SourceInfo& source, std::vector<Note>& notes) {
  double turn = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    Vector3 patient{};
    patient[axis] = 1;
    turn = std::max(turn, angle_degrees(grid.direction[axis], patient));
  }
  if (source.has_geometry && turn > oblique_degrees) {
    notes.push_back(
        {"oblique", fmt::format("the slices are turned by {:.1f} degrees against the patient's axes", turn)});
  }
  double skew = 0;
  for (const auto& [a, b] : {std::array<std::size_t, 2>{0, 1}, {0, 2}, {1, 2}})
    skew = std::max(skew, std::abs(angle_degrees(grid.direction[a], grid.direction[b]) - 90));
  // A DICOM series whose slices are tilted says so itself.
  const bool said = std::ranges::any_of(source.notes, [](const Note& note) { return note.code == "gantry_tilt"; });
  if (skew > tilt_degrees && !said)
    notes.push_back({"sheared", fmt::format("the axes are {:.1f} degrees off a right angle (gantry tilt)", skew)});
}

/// DICOM's SliceThickness (0018,0050), in mm.
std::optional<double> slice_thickness(const SourceInfo& source) {
  const auto found = source.attributes.find("SliceThickness");
  if (found == source.attributes.end()) return std::nullopt;
  const auto thickness = parse_number<double>(trimmed(found->second));  // DICOM pads its numbers with blanks
  return thickness && *thickness > 0 ? thickness : std::nullopt;
}

void check_slices(const Geometry& grid, const SourceInfo& source, std::vector<Note>& notes) {
  if (grid.size[2] == 1) {
    notes.push_back({"single_slice", "one slice only"});
    return;
  }
  const double apart = grid.spacing[2];
  const double thickness = slice_thickness(source).value_or(apart);
  if (apart > thick_slice_mm) {
    notes.push_back(
        {"thick_slices", fmt::format("the slices are {:.1f} mm apart; small lesions may lie between them", apart)});
  } else if (thickness > thick_slice_mm) {
    notes.push_back(
        {"thick_slices", fmt::format("the slices are {:.1f} mm thick; small lesions are blurred in them", thickness)});
  }
  if (apart > largest_gap * thickness) {
    notes.push_back({"slice_gaps", fmt::format("the slices are {:.1f} mm thick and {:.1f} mm apart: what lies between "
                                               "them was not scanned",
                                               thickness, apart)});
  }
}

void check_field_of_view(const Geometry& grid, const SourceInfo& source, std::vector<Note>& notes) {
  if (known_spacing(source) == KnownSpacing::none) return;
  const double width = static_cast<double>(grid.size[0]) * grid.spacing[0];
  if (width >= smallest_chest_mm && width <= largest_chest_mm) return;
  notes.push_back({"unusual_field_of_view", fmt::format("the picture is {:.0f} mm wide; a chest CT is {:.0f} to {:.0f}",
                                                        width, smallest_chest_mm, largest_chest_mm)});
}

/// Two affines in one header that disagree: other programs may place the scan elsewhere than we do.
void check_nifti(const volume::NiftiHeader& header, const Geometry& grid, std::vector<Note>& notes) {
  const double apart = volume::affine_disagreement(header);
  const double voxel = *std::min_element(grid.spacing.begin(), grid.spacing.end());
  if (apart < voxel / 2) return;
  notes.push_back(
      {"affines_disagree",
       fmt::format(
           "the header's qform and sform place the volume up to {:.1f} mm apart; programs differ in which they follow",
           apart)});
}

}  // namespace

std::vector<Note> header_notes(const Geometry& grid, const SourceInfo& source) {
  std::vector<Note> notes;
  check_position(grid, source, notes);
  check_slices(grid, source, notes);
  check_field_of_view(grid, source, notes);
  if (source.nifti) check_nifti(*source.nifti, grid, notes);
  return notes;
}

}  // namespace pulmoseg::quantify
