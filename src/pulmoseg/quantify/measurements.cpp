#include "pulmoseg/quantify/measurements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::quantify {
namespace {

std::optional<double> percent(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::nullopt;
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::optional<double> times(std::optional<std::int64_t> count, std::optional<double> each) {
  if (!count || !each) return std::nullopt;
  return static_cast<double>(*count) * *each;
}

void note_spacing(Measurements& measured) {
  if (measured.known_spacing == KnownSpacing::none) {
    measured.notes.push_back(
        {"spacing_unknown", "the header declares neither position nor spacing; volumes and areas are not given"});
  } else if (measured.known_spacing == KnownSpacing::in_plane) {
    measured.notes.push_back({"thickness_unknown", "a 2-D slice has no thickness; volumes are not given"});
  } else if (is_default_spacing(measured.grid.spacing)) {
    measured.notes.push_back({"spacing_is_default",
                              "the header says 1 x 1 x 1 mm, as headers without a true spacing do; volumes and areas "
                              "hold only if it is true"});
  }
}

void note_lung(Measurements& measured) {
  if (!measured.has_lung_mask) {
    measured.notes.push_back({"no_lung_mask", "no lung mask was given; the percentage of the lung is unknown"});
    return;
  }
  if (*measured.lung_voxels == 0) {
    measured.notes.push_back({"lung_mask_empty", "the lung mask is empty; the percentage of the lung is unknown"});
  }
  const std::int64_t outside = *measured.lesion_outside_lung_voxels;
  if (outside == 0) return;
  const double part = *percent(outside, measured.lesion_voxels);
  if (part > 50) {
    measured.notes.push_back(
        {"lesion_mostly_outside_lung",
         fmt::format("{:.1f} % of the lesion lies outside of the lung mask; does the mask leave out "
                     "the lesions, or belong to another scan?",
                     part)});
  } else {
    measured.notes.push_back(
        {"lesion_outside_lung",
         fmt::format("{} lesion voxels ({:.2g} %) lie outside of the lung mask and take no part in "
                     "the percentage",
                     outside, part)});
  }
}

void add_up(Measurements& measured) {
  std::int64_t lung = 0, outside = 0;
  for (const auto& slice : measured.slices) {
    measured.lesion_voxels += slice.lesion_voxels;
    measured.lesion_slices += slice.lesion_voxels > 0;
    lung += slice.lung_voxels.value_or(0);
    outside += slice.lesion_outside_lung_voxels.value_or(0);
  }
  measured.lesion_ml = times(measured.lesion_voxels, measured.voxel_volume_ml);
  if (!measured.has_lung_mask) return;
  measured.lung_voxels = lung;
  measured.lung_ml = times(lung, measured.voxel_volume_ml);
  measured.lesion_outside_lung_voxels = outside;
  measured.lesion_outside_lung_ml = times(outside, measured.voxel_volume_ml);
  measured.percent_affected = percent(measured.lesion_voxels - outside, lung);
}

}  // namespace

bool is_default_spacing(const volume::Vector3& spacing) {
  return std::all_of(spacing.begin(), spacing.end(), [](double mm) { return std::abs(mm - 1) < 1e-6; });
}

KnownSpacing known_spacing(const volume::SourceInfo& source) {
  if (!source.has_geometry && is_default_spacing(source.stored_geometry.spacing)) return KnownSpacing::none;
  return source.dimensions < 3 ? KnownSpacing::in_plane : KnownSpacing::complete;
}

double pixel_area_mm2(const volume::Geometry& grid) {
  const auto& [x, y, unused] = grid.direction;
  const volume::Vector3 cross{x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]};
  return grid.spacing[0] * grid.spacing[1] * std::hypot(cross[0], cross[1], cross[2]);
}

Measurer::Measurer(const volume::Geometry& grid, bool has_lung_mask, KnownSpacing known_spacing)
    : grid_(grid),
      has_lung_mask_(has_lung_mask),
      known_spacing_(known_spacing),
      slices_(static_cast<std::size_t>(grid.size[2])),
      given_(slices_.size()) {}

void Measurer::add_slice(std::int64_t index, std::span<const std::uint8_t> lesion, std::span<const std::uint8_t> lung) {
  const auto position = static_cast<std::size_t>(index);
  const auto pixels = static_cast<std::size_t>(grid_.size[0] * grid_.size[1]);
  if (index < 0 || index >= grid_.size[2]) {
    throw Error(fmt::format("slice {} was measured, but the scan has slices 0 to {}", index, grid_.size[2] - 1));
  }
  if (given_[position]) throw Error(fmt::format("slice {} was measured twice", index));
  if (lesion.size() != pixels || lung.size() != (has_lung_mask_ ? pixels : 0)) {
    throw Error(fmt::format("slice {} has {} lesion and {} lung pixels, expected {} and {}", index, lesion.size(),
                            lung.size(), pixels, has_lung_mask_ ? pixels : 0));
  }
  given_[position] = true;
  std::int64_t in_lesion = 0, in_lung = 0, in_both = 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    const bool is_lung = has_lung_mask_ && lung[i] != 0;
    in_lesion += lesion[i] != 0;
    in_lung += is_lung;
    in_both += is_lung && lesion[i] != 0;
  }
  SliceMeasurements& slice = slices_[position];
  slice.index = index;
  slice.lesion_voxels = in_lesion;
  if (!has_lung_mask_) return;
  slice.lung_voxels = in_lung;
  slice.lesion_outside_lung_voxels = in_lesion - in_both;
  slice.percent_affected = percent(in_both, in_lung);
}

Measurements Measurer::finish() const {
  const auto missing = std::find(given_.begin(), given_.end(), false);
  if (missing != given_.end()) {
    throw Error(fmt::format("slice {} of the scan's {} was never measured", missing - given_.begin(), given_.size()));
  }
  Measurements measured;
  measured.grid = grid_;
  measured.known_spacing = known_spacing_;
  measured.has_lung_mask = has_lung_mask_;
  if (known_spacing_ != KnownSpacing::none) measured.pixel_area_mm2 = pixel_area_mm2(grid_);
  if (known_spacing_ == KnownSpacing::complete) measured.voxel_volume_ml = volume::voxel_volume_mm3(grid_) / 1000;
  measured.slices = slices_;
  for (auto& slice : measured.slices) {
    slice.lesion_area_mm2 = times(slice.lesion_voxels, measured.pixel_area_mm2);
    slice.lung_area_mm2 = times(slice.lung_voxels, measured.pixel_area_mm2);
  }
  add_up(measured);
  note_spacing(measured);
  note_lung(measured);
  return measured;
}

Measurements measure_files(const std::filesystem::path& image, const std::filesystem::path& lesion_mask,
                           const std::optional<std::filesystem::path>& lung_mask,
                           const std::function<void(const MeasuredSlice&)>& on_slice) {
  auto reader = volume::VolumeReader::open(image);
  const volume::Geometry grid = reader.geometry();
  const auto read_mask = [&](const std::filesystem::path& file) {
    std::vector<std::uint8_t> labels = volume::read_mask_on_grid(file, reader.source(), grid);
    for (auto& label : labels) label = label != 0;
    return labels;
  };
  const std::vector<std::uint8_t> lesion = read_mask(lesion_mask);
  const std::vector<std::uint8_t> lung = lung_mask ? read_mask(*lung_mask) : std::vector<std::uint8_t>();

  Measurer measurer(grid, lung_mask.has_value(), known_spacing(reader.source()));
  const auto pixels_of_slice = static_cast<std::size_t>(grid.size[0] * grid.size[1]);
  const auto measure = [&](std::int64_t index, std::span<const float> pixels) {
    const std::size_t first = static_cast<std::size_t>(index) * pixels_of_slice;
    const auto lesion_pixels = std::span(lesion).subspan(first, pixels_of_slice);
    const auto lung_pixels =
        lung_mask ? std::span(lung).subspan(first, pixels_of_slice) : std::span<const std::uint8_t>();
    measurer.add_slice(index, lesion_pixels, lung_pixels);
    if (on_slice) on_slice({index, grid.size[1], grid.size[0], pixels, lesion_pixels, lung_pixels});
  };
  if (on_slice) {
    volume::AxialSlice slice;
    while (reader.next(slice)) measure(slice.index, slice.pixels);
  } else {
    for (std::int64_t index = 0; index < grid.size[2]; ++index) measure(index, {});
  }
  return measurer.finish();
}

}  // namespace pulmoseg::quantify
