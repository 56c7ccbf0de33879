#include "pulmoseg/quantify/measurements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <future>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/quantify/lesion_parts.hpp"
#include "pulmoseg/quantify/lung_density.hpp"
#include "pulmoseg/quantify/lung_sides.hpp"
#include "pulmoseg/quantify/quality.hpp"
#include "pulmoseg/quantify/severity.hpp"

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

std::int64_t voxels_in(std::span<const masks::Run> runs) {
  std::int64_t voxels = 0;
  for (const masks::Run& run : runs) voxels += run.end - run.begin;
  return voxels;
}

std::int64_t voxels_in(const masks::RunMask& mask) {
  std::int64_t voxels = 0;
  for (std::int64_t k = 0; k < mask.size()[2]; ++k) voxels += voxels_in(mask.runs(k));
  return voxels;
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

std::optional<Note> note_on_fit(volume::MaskFit fit, volume::MaskKind kind) {
  const std::string which = kind == volume::MaskKind::lesion ? "the lesion mask was" : "the lung mask was";
  switch (fit) {
    case volume::MaskFit::same_grid: break;
    case volume::MaskFit::resampled:
      return Note{"mask_resampled", which +
                                        " on another grid than the scan and resampled onto it: edges are as coarse "
                                        "as the mask's own voxels"};
    case volume::MaskFit::voxel_by_voxel:
      return Note{"mask_taken_voxel_by_voxel", which +
                                                   " taken voxel by voxel onto the scan, because only one of the "
                                                   "headers declares a position in the patient: if the axes run "
                                                   "otherwise, the figures are wrong"};
  }
  return std::nullopt;
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
    const bool one = outside == 1;
    measured.notes.push_back(
        {"lesion_outside_lung",
         fmt::format("{} lesion voxel{} ({:.2g} %) {} outside of the lung mask and {} no part in the percentage",
                     outside, one ? "" : "s", part, one ? "lies" : "lie", one ? "takes" : "take")});
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

/// What the scan's header and the masks say slice by slice.
Measurements start(const ScanFacts& scan, const ScanMasks& masks) {
  Measurements measured;
  measured.grid = scan.grid;
  measured.known_spacing = scan.known_spacing;
  measured.orientation_known = scan.orientation_known;
  measured.has_lung_mask = masks.lung.has_value();
  if (scan.known_spacing != KnownSpacing::none) measured.pixel_area_mm2 = pixel_area_mm2(scan.grid);
  if (scan.known_spacing == KnownSpacing::complete)
    measured.voxel_volume_ml = volume::voxel_volume_mm3(scan.grid) / 1000;
  std::optional<masks::RunMask> inside;
  if (masks.lung) inside = intersection(masks.lesion, *masks.lung);
  for (std::int64_t k = 0; k < scan.grid.size[2]; ++k) {
    SliceMeasurements slice;
    slice.index = k;
    slice.lesion_voxels = voxels_in(masks.lesion.runs(k));
    slice.lesion_area_mm2 = times(slice.lesion_voxels, measured.pixel_area_mm2);
    if (inside) {
      const std::int64_t lung = voxels_in(masks.lung->runs(k)), lesion = voxels_in(inside->runs(k));
      slice.lung_voxels = lung;
      slice.lung_area_mm2 = times(lung, measured.pixel_area_mm2);
      slice.lesion_outside_lung_voxels = slice.lesion_voxels - lesion;
      slice.percent_affected = percent(lesion, lung);
    }
    measured.slices.push_back(slice);
  }
  return measured;
}

RegionMeasurements region(std::string name, std::int64_t lung, std::int64_t lesion, const Measurements& measured) {
  return {.name = std::move(name),
          .lung_voxels = lung,
          .lesion_voxels = lesion,
          .lung_ml = times(lung, measured.voxel_volume_ml),
          .lesion_ml = times(lesion, measured.voxel_volume_ml),
          .percent_affected = percent(lesion, lung)};
}

RegionMeasurements region(std::string name, const masks::RunMask& lung, const masks::RunMask& lesion,
                          const Measurements& measured) {
  return region(std::move(name), voxels_in(lung), voxels_in(intersection(lung, lesion)), measured);
}

std::vector<RegionMeasurements> thirds_of(const Measurements& measured) {
  const auto has_lung = [](const SliceMeasurements& slice) { return slice.lung_voxels.value_or(0) > 0; };
  const auto& slices = measured.slices;
  const auto lowest = std::ranges::find_if(slices, has_lung);
  if (lowest == slices.end() || slices.size() < 2) return {};
  const auto highest = std::find_if(slices.rbegin(), slices.rend(), has_lung).base();  // one behind it
  const std::int64_t height = highest - lowest;
  std::array<std::int64_t, 3> lung{}, lesion{};
  for (auto slice = lowest; slice != highest; ++slice) {
    const auto third = static_cast<std::size_t>(3 * (2 * (slice - lowest) + 1) / (2 * height));
    lung[third] += *slice->lung_voxels;
    lesion[third] += slice->lesion_voxels - *slice->lesion_outside_lung_voxels;
  }
  return {region("upper", lung[2], lesion[2], measured), region("middle", lung[1], lesion[1], measured),
          region("lower", lung[0], lesion[0], measured)};
}

void note_sides(Measurements& measured, const LungSides* sides) {
  if (measured.has_lung_mask && !measured.orientation_known) {
    measured.notes.push_back(
        {"orientation_unknown",
         "the header declares no position in the patient; sides and thirds of the lungs are not given"});
  }
  if (sides && sides->one_lung) {
    measured.notes.push_back(
        {"one_lung",
         "almost all of the lung mask is one lung; which side it is, is judged by the middle of the "
         "image"});
  }
  if (sides && sides->wide_contact) {
    measured.notes.push_back(
        {"lungs_joined_widely", "the lung mask joins left and right lung over a wide area; where one ends is a guess"});
  }
}

bool has_note(const Measurements& measured, std::string_view code) {
  return std::ranges::any_of(measured.notes, [&](const Note& note) { return note.code == code; });
}

void name_source_images(Measurements& measured, const volume::SourceInfo& source) {
  if (source.frames.size() != measured.slices.size() || source.order.axis[2] != 2) return;
  for (std::size_t k = 0; k < measured.slices.size(); ++k) {
    const auto& frame = source.frames[source.order.flipped[2] ? source.frames.size() - 1 - k : k];
    measured.slices[k].instance_number = frame.instance_number;
    if (frame.frame_number > 0) measured.slices[k].frame_number = frame.frame_number;
  }
}

void forget_sides(Measurements& measured) {
  measured.sides.clear();
  measured.thirds.clear();
  measured.lungs_touch = false;
  for (auto& part : measured.lesion_parts) part.side.reset();
}

void add_density(Measurements& measured, const ScanFacts& scan, IntensityScale scale,
                 const DensityAccumulator& densities) {
  if (scale == IntensityScale::hounsfield && scan.hounsfield_possible) {
    measured.density = densities.finish(measured.voxel_volume_ml);
    return;
  }
  const std::string_view found =
      scale == IntensityScale::hounsfield ? "another unit than HU by the header's RescaleType" : describe(scale);
  measured.notes.push_back(
      {"not_hounsfield",
       fmt::format("the scan's numbers are {}; densities and mass of the lung are not given", found)});
}

}  // namespace

bool is_default_spacing(const volume::Vector3& spacing) {
  return std::all_of(spacing.begin(), spacing.end(), [](double mm) { return std::abs(mm - 1) < 1e-6; });
}

KnownSpacing known_spacing(const volume::SourceInfo& source) {
  if (!source.has_geometry && is_default_spacing(source.stored_geometry.spacing)) return KnownSpacing::none;
  return source.dimensions < 3 ? KnownSpacing::in_plane : KnownSpacing::complete;
}

bool may_be_hounsfield(const volume::SourceInfo& source) {
  const auto unit = source.attributes.find("RescaleType");  // DICOM PS3.3 C.11.1.1.2
  return unit == source.attributes.end() || unit->second == "HU";
}

double pixel_area_mm2(const volume::Geometry& grid) {
  const auto& [x, y, unused] = grid.direction;
  const volume::Vector3 cross{x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]};
  return grid.spacing[0] * grid.spacing[1] * std::hypot(cross[0], cross[1], cross[2]);
}

ScanFacts facts_of(const volume::VolumeReader& scan) {
  const volume::SourceInfo& source = scan.source();
  return {.grid = scan.geometry(),
          .known_spacing = known_spacing(source),
          .orientation_known = source.has_geometry,
          .hounsfield_possible = may_be_hounsfield(source)};
}

struct Measurer::State {
  ScanFacts scan;
  ScanMasks masks;
  std::shared_future<LungSides> sides;  // told apart while slices are added; not valid: they are not known
  IntensityAccumulator intensities{};
  DensityAccumulator densities{};
  std::vector<bool> given{};
  std::vector<std::uint8_t> lesion{}, lung{};  // of the slice that was added last
};

Measurer::Measurer(const ScanFacts& scan, ScanMasks masks)
    : state_(std::make_unique<State>(State{.scan = scan, .masks = std::move(masks), .sides = {}})) {
  const auto& lesion = state_->masks.lesion;
  const auto& lung = state_->masks.lung;
  for (const masks::RunMask* mask : {&lesion, lung ? &*lung : &lesion}) {
    const auto& size = mask->size();
    if (size == scan.grid.size) continue;
    throw Error(fmt::format("a mask of {}x{}x{} voxels is not one of a scan of {}x{}x{}", size[0], size[1], size[2],
                            scan.grid.size[0], scan.grid.size[1], scan.grid.size[2]));
  }
  state_->given.resize(static_cast<std::size_t>(scan.grid.size[2]));
  if (!lung || !scan.orientation_known || voxels_in(*lung) == 0) return;
  state_->sides = std::async(std::launch::async | std::launch::deferred,
                             [&state = *state_] { return tell_sides_apart(*state.masks.lung, state.scan.grid); });
}

Measurer::Measurer(Measurer&&) noexcept = default;
Measurer::~Measurer() = default;

MeasuredSlice Measurer::add_slice(std::int64_t index, std::span<const float> pixels) {
  const auto& lesion = state_->masks.lesion;
  const auto& lung = state_->masks.lung;
  const std::int64_t slices = lesion.size()[2];
  if (index < 0 || index >= slices)
    throw Error(fmt::format("slice {} was measured, but the scan has slices 0 to {}", index, slices - 1));
  const auto position = static_cast<std::size_t>(index);
  if (state_->given[position]) throw Error(fmt::format("slice {} was measured twice", index));
  if (std::ssize(pixels) != lesion.pixels_of_slice())
    throw Error(fmt::format("slice {} has {} pixels, expected {}", index, pixels.size(), lesion.pixels_of_slice()));
  state_->given[position] = true;
  state_->intensities.add_slice(index, pixels);
  state_->lesion = lesion.pixels(index);
  if (lung) state_->lung = lung->pixels(index);
  if (lung && !lung->runs(index).empty()) state_->densities.add_slice(pixels, state_->lesion, state_->lung);
  return {index, lesion.size()[1], lesion.size()[0], pixels, state_->lesion, state_->lung};
}

Measurements Measurer::finish() const {
  const auto& [scan, masks, coming_sides, intensities, densities, given, unused_lesion, unused_lung] = *state_;
  const bool any = std::ranges::find(given, true) != given.end();
  if (const auto missing = std::ranges::find(given, false); any && missing != given.end())
    throw Error(fmt::format("slice {} of the scan's {} was never measured", missing - given.begin(), given.size()));
  Measurements measured = start(scan, masks);
  add_up(measured);
  const LungSides* sides = coming_sides.valid() ? &coming_sides.get() : nullptr;
  if (sides)
    measured.sides = {region("left", sides->left, masks.lesion, measured),
                      region("right", sides->right, masks.lesion, measured)};
  measured.lungs_touch = sides && sides->touch;
  if (scan.orientation_known) measured.thirds = thirds_of(measured);
  measured.lesion_parts = find_lesion_parts(masks.lesion, sides, scan.grid, measured.voxel_volume_ml);
  if (measured.voxel_volume_ml) measured.lesion_sizes = count_sizes(measured.lesion_parts, *measured.voxel_volume_ml);
  if (measured.percent_affected) measured.severity = severity_of(*measured.percent_affected);
  note_spacing(measured);
  measured.notes.insert(measured.notes.end(), masks.notes.begin(), masks.notes.end());
  note_lung(measured);
  note_sides(measured, sides);
  if (masks.lung && any) add_density(measured, scan, intensities.finish().scale, densities);
  return measured;
}

IntensityStatistics Measurer::intensities() const { return state_->intensities.finish(); }

Measurements measure(volume::VolumeReader& scan, ScanMasks masks, const OnMeasuredSlice& on_slice) {
  Measurer measurer(facts_of(scan), std::move(masks));
  QualityChecker quality(scan.geometry(), scan.source());
  volume::AxialSlice slice;
  while (scan.next(slice)) {
    const MeasuredSlice measured = measurer.add_slice(slice.index, slice.pixels);
    quality.add(measured);
    if (on_slice) on_slice(measured);
  }
  Measurements measured = measurer.finish();
  name_source_images(measured, scan.source());
  for (Note& note : quality.finish(measurer.intensities())) {
    if (!has_note(measured, note.code)) measured.notes.push_back(std::move(note));
  }
  if (has_note(measured, "wrong_orientation")) forget_sides(measured);
  const auto& noticed = scan.source().notes;
  measured.notes.insert(measured.notes.begin(), noticed.begin(), noticed.end());
  return measured;
}

MaskOnScan read_mask(const std::filesystem::path& mask, volume::MaskKind kind, const volume::VolumeReader& scan) {
  MaskOnScan read{masks::RunMask(scan.geometry().size), {}};
  auto reading = volume::visit_mask_on_grid(
      mask, kind, scan.source(), scan.geometry(),
      [&](std::int64_t index, std::span<const std::uint8_t> labels) { read.mask.set(index, labels); });
  read.notes = std::move(reading.notes);
  if (auto note = note_on_fit(reading.fit, kind)) read.notes.push_back(std::move(*note));
  return read;
}

ScanMasks read_masks(const std::filesystem::path& lesion, const std::filesystem::path& lung,
                     const volume::VolumeReader& scan) {
  auto of_lesion = read_mask(lesion, volume::MaskKind::lesion, scan);
  ScanMasks masks{std::move(of_lesion.mask), {}, std::move(of_lesion.notes)};
  if (lung.empty()) return masks;
  auto of_lung = read_mask(lung, volume::MaskKind::lung, scan);
  masks.lung = std::move(of_lung.mask);
  masks.notes.insert(masks.notes.end(), of_lung.notes.begin(), of_lung.notes.end());
  return masks;
}

}  // namespace pulmoseg::quantify
