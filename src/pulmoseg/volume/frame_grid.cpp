#include "pulmoseg/volume/frame_grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/axes.hpp"
#include "pulmoseg/volume/matrix3.hpp"

namespace pulmoseg::volume {
namespace {

constexpr double on_grid = 0.05;        // of a voxel: positions are rounded in the files
constexpr double same_place_mm = 0.01;  // between planes
constexpr std::int64_t most_planes = 16384;
constexpr std::int64_t most_voxels = std::int64_t{1} << 33;

[[noreturn]] void refuse(const DicomFile& file, std::string_view what, std::string_view expected) {
  throw Error(fmt::format("{}: is a DICOM Segmentation {}, expected {}", file.name, what, expected));
}

Vector3 normal_of(const DicomImage& frame) {
  const Vector3 normal = cross((*frame.axes)[0], (*frame.axes)[1]);
  return scale(normal, 1 / norm(normal));
}

void check_frames(const DicomFile& file) {
  const DicomImage& first = file.images.front();
  for (const DicomImage& frame : file.images) {
    if (!frame.position || !frame.axes || !(frame.spacing[0] > 0 && frame.spacing[1] > 0))
      refuse(file, "whose frames do not say where in the patient they lie", "ImagePositionPatient and PixelSpacing");
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const double pixels = axis == 0 ? file.format.columns : file.format.rows;
      const double turned = norm(subtract((*frame.axes)[axis], (*first.axes)[axis])) * pixels;
      const double stretched = std::abs(frame.spacing[axis] / first.spacing[axis] - 1) * pixels;
      if (turned > 0.1 || stretched > 0.1)
        refuse(file, "whose frames have several orientations or spacings", "parallel frames of one spacing");
    }
  }
}

/// A grid of `planes` parallel to the frames, from `origin`.
Geometry grid(const DicomFile& file, const Vector3& origin, const Vector3& step, std::int64_t planes) {
  const DicomImage& first = file.images.front();
  if (planes > most_planes || planes * file.format.rows * file.format.columns > most_voxels)
    refuse(file, fmt::format("whose frames lie {} planes apart", planes), "a segmentation of one scan");
  return geometry_from_steps(
      {file.format.columns, file.format.rows, planes},
      {scale((*first.axes)[0], first.spacing[0]), scale((*first.axes)[1], first.spacing[1]), step}, origin, file.name);
}

/// The scan's grid with its axes numbered as those of `like`.
Geometry numbered_as(const SourceInfo& scan, const Geometry& like) {
  const Geometry canonical = reorder(scan.stored_geometry, scan.order);
  const AxisOrder order = canonical_order(like);
  Geometry found;
  Vector3 first_voxel{};
  for (std::size_t c = 0; c < 3; ++c) {
    const auto stored = static_cast<std::size_t>(order.axis[c]);
    found.size[stored] = canonical.size[c];
    found.spacing[stored] = canonical.spacing[c];
    found.direction[stored] = scale(canonical.direction[c], order.flipped[c] ? -1 : 1);
    if (order.flipped[c]) first_voxel[c] = static_cast<double>(canonical.size[c] - 1);
  }
  found.origin = index_to_point(canonical, first_voxel);
  return found;
}

/// On which slice of `slices` a frame lies, voxel on voxel.
std::optional<std::int64_t> slice_of(const DicomFile& file, const DicomImage& frame, const Geometry& slices) {
  Vector3 corner = *frame.position;
  const std::array<double, 2> last{file.format.columns - 1.0, file.format.rows - 1.0};
  for (std::size_t axis = 0; axis < 2; ++axis)
    for (std::size_t r = 0; r < 3; ++r) corner[r] += (*frame.axes)[axis][r] * frame.spacing[axis] * last[axis];
  const Vector3 begin = point_to_index(slices, *frame.position), end = point_to_index(slices, corner);
  const double slice = std::round(begin[2]);
  const auto near = [](double a, double b) { return std::abs(a - b) <= on_grid; };
  const bool lies_on_it = near(begin[0], 0) && near(begin[1], 0) && near(begin[2], slice) && near(end[0], last[0]) &&
                          near(end[1], last[1]) && near(end[2], slice);
  if (!lies_on_it || slice < 0 || slice >= static_cast<double>(slices.size[2])) return std::nullopt;
  return static_cast<std::int64_t>(slice);
}

std::optional<FrameGrid> on_slices_of(const SourceInfo& scan, const DicomFile& file, std::optional<double> distance) {
  const DicomImage& first = file.images.front();
  const Vector3 normal = normal_of(first);
  FrameGrid found{.geometry = numbered_as(scan, grid(file, *first.position, normal, 1)), .plane_of_frame = {}};
  const Geometry& slices = found.geometry;
  if (slices.size[0] != file.format.columns || slices.size[1] != file.format.rows) return std::nullopt;
  const double step = std::abs(dot(slices.direction[2], normal)) * slices.spacing[2];
  if (distance && std::abs(*distance - step) > 0.1 * step) return std::nullopt;
  for (const DicomImage& frame : file.images) {
    const auto slice = slice_of(file, frame, slices);
    if (!slice) return std::nullopt;
    found.plane_of_frame.push_back(*slice);
  }
  return found;
}

/// mm along `normal`, sorted, each once.
std::vector<double> places_of(const DicomFile& file, const Vector3& normal) {
  std::vector<double> places;
  for (const DicomImage& frame : file.images) places.push_back(dot(*frame.position, normal));
  std::ranges::sort(places);
  const auto same = [](double a, double b) { return b - a < same_place_mm; };
  places.erase(std::unique(places.begin(), places.end(), same), places.end());
  return places;
}

bool is_even(const std::vector<double>& places, double step) {
  return std::ranges::all_of(places, [&](double place) {
    const double planes = (place - places.front()) / step;
    return std::abs(planes - std::round(planes)) <= 0.1;
  });
}

/// How many steps lie between the first place and the last.
std::int64_t steps_between(const DicomFile& file, const std::vector<double>& places,
                           std::initializer_list<std::optional<double>> distances) {
  double least = places.back() - places.front();
  for (std::size_t i = 1; i < places.size(); ++i) least = std::min(least, places[i] - places[i - 1]);
  std::vector<std::optional<double>> candidates(distances);
  candidates.emplace_back(least);
  for (const auto& candidate : candidates) {
    if (!candidate) continue;
    const double steps = std::round((places.back() - places.front()) / *candidate);
    if (!(steps >= 1 && steps < most_planes)) continue;
    if (is_even(places, (places.back() - places.front()) / steps)) return static_cast<std::int64_t>(steps);
  }
  refuse(file, "whose frames lie in uneven steps", "frames on one even grid");
}

/// Frames lie on the line through the first and the last, too.
void check_line(const DicomFile& file, const FrameGrid& found) {
  for (std::size_t i = 0; i < found.plane_of_frame.size(); ++i) {
    const Vector3 index = point_to_index(found.geometry, *file.images[i].position);
    const double off = std::abs(index[2] - static_cast<double>(found.plane_of_frame[i]));
    if (std::abs(index[0]) > 0.1 || std::abs(index[1]) > 0.1 || off > 0.1)
      refuse(file, "whose frames lie beside each other", "frames on one even grid");
  }
}

FrameGrid through_frames(const DicomFile& file, std::optional<double> between, std::optional<double> thickness) {
  const Vector3 normal = normal_of(file.images.front());
  const auto along = [&](const DicomImage& frame) { return dot(*frame.position, normal); };
  const auto [lowest, highest] = std::ranges::minmax_element(file.images, {}, along);
  const std::vector<double> places = places_of(file, normal);
  FrameGrid found;
  if (places.size() == 1) {
    found.geometry = grid(file, *lowest->position, scale(normal, between.value_or(thickness.value_or(1))), 1);
  } else {
    const std::int64_t steps = steps_between(file, places, {between, thickness});
    const Vector3 step = scale(subtract(*highest->position, *lowest->position), 1 / static_cast<double>(steps));
    found.geometry = grid(file, *lowest->position, step, steps + 1);
  }
  for (const DicomImage& frame : file.images) {
    const double plane = std::round(point_to_index(found.geometry, *frame.position)[2]);
    found.plane_of_frame.push_back(
        std::clamp(static_cast<std::int64_t>(plane), std::int64_t{0}, found.geometry.size[2] - 1));
  }
  check_line(file, found);
  return found;
}

}  // namespace

FrameGrid grid_of_frames(const DicomFile& file, std::optional<double> spacing_between_slices, const SourceInfo* scan,
                         bool is_of_scan) {
  check_frames(file);
  auto thickness = parse_number<double>(file.attribute("SliceThickness"));
  if (thickness && !(*thickness > 0 && std::isfinite(*thickness))) thickness.reset();
  if (scan && scan->has_geometry) {
    const auto distance = spacing_between_slices ? spacing_between_slices : thickness;
    if (auto found = on_slices_of(*scan, file, is_of_scan ? std::nullopt : distance)) return *found;
  }
  return through_frames(file, spacing_between_slices, thickness);
}

}  // namespace pulmoseg::volume
