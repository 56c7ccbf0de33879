#include "pulmoseg/quantify/quality.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/quantify/header_notes.hpp"
#include "pulmoseg/quantify/metal.hpp"

namespace pulmoseg::quantify {
namespace {

constexpr double smallest_metal_mm2 = 10;  // a clip; one bright voxel of a coarse grid is enough
constexpr double smallest_lungs_l = 0.5,
                 largest_lungs_l = 10;  // adults: 2 to 8 (total lung capacity), more is emphysema

std::string some_of(const std::vector<std::int64_t>& slices) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(slices.size(), 5); ++i)
    text += fmt::format("{}{}", i ? ", " : "", slices[i]);
  return slices.size() > 5 ? text + ", …" : text;
}

}  // namespace

std::vector<Note> intensity_notes(const IntensityStatistics& facts, std::int64_t slices) {
  if (facts.minimum == facts.maximum) return {{"constant", fmt::format("every voxel is {:g}", facts.minimum)}};
  if (facts.scale == IntensityScale::labels) return {};
  std::vector<Note> notes;
  if (!facts.constant_slices.empty()) {
    notes.push_back(
        {"constant_slices",
         fmt::format("{} of {} slices {} one value only: {}", facts.constant_slices.size(), slices,
                     facts.constant_slices.size() == 1 ? "holds" : "hold", some_of(facts.constant_slices))});
  }
  // Hounsfield units that were cut to a window look like slices that were scaled one by one.
  if (facts.scale == IntensityScale::hounsfield) return notes;
  notes.push_back({"not_hounsfield", std::string(describe(facts.scale))});
  if (slices > 1 && 10 * facts.full_range_slices >= 9 * slices) {
    notes.push_back(
        {"scaled_slice_by_slice", fmt::format("{} of {} slices reach from {:g} to {:g}: they were scaled one "
                                              "by one, so grey means something else in each",
                                              facts.full_range_slices, slices, facts.minimum, facts.maximum)});
  }
  return notes;
}

QualityChecker::QualityChecker(const volume::Geometry& grid, const volume::SourceInfo& source)
    : grid_(grid), source_(source), small_(grid.size) {
  lung_.area.resize(static_cast<std::size_t>(grid.size[2]));
  outlines_.resize(lung_.area.size());
}

void QualityChecker::add(const MeasuredSlice& slice) {
  const auto [columns, rows, slices] = grid_.size;
  if (slice.index < 0 || slice.index >= slices || slice.pixels.size() != static_cast<std::size_t>(columns * rows) ||
      (!slice.lung.empty() && slice.lung.size() != slice.pixels.size())) {
    throw Error(fmt::format("slice {} with {} pixels is not of a scan of {}x{}x{}", slice.index, slice.pixels.size(),
                            columns, rows, slices));
  }
  small_.set(slice.index, slice.pixels);
  if (has_dense_part_in_body(slice)) dense_slices_.push_back(slice.index);
  if (!slice.lung.empty()) add_lung(slice);
}

bool QualityChecker::has_dense_part_in_body(const MeasuredSlice& slice) const {
  const auto parts = dense_parts(slice.pixels, grid_.size[0]);
  if (parts.empty()) return false;
  const auto body = body_of_slice(small_, slice.index);
  return std::ranges::any_of(parts, [&](const DensePart& part) {
    const auto block = part.row / small_.block_rows() * small_.size()[0] + part.column / small_.block_columns();
    return static_cast<double>(part.pixels) * pixel_area_mm2(grid_) >= smallest_metal_mm2 &&
           body[static_cast<std::size_t>(block)];
  });
}

void QualityChecker::add_lung(const MeasuredSlice& slice) {
  has_lung_mask_ = true;
  const auto columns = static_cast<std::size_t>(grid_.size[0]), pixels = slice.lung.size();
  const auto along = [&](std::size_t first, std::size_t step, std::size_t end) {
    std::int64_t touched = 0;
    for (std::size_t i = first; i < end; i += step) touched += slice.lung[i] != 0;
    return static_cast<double>(touched);
  };
  const LungOutline outline = outline_of(slice.lung, slice.columns);
  const double area = static_cast<double>(outline.area) * pixel_area_mm2(grid_);
  const auto& [x, y, z] = grid_.spacing;
  lung_.area[static_cast<std::size_t>(slice.index)] = area;
  outlines_[static_cast<std::size_t>(slice.index)] = outline;
  if (slice.index == 0) lung_.at_face[lower] = area;
  if (slice.index == grid_.size[2] - 1) lung_.at_face[upper] = area;
  lung_.at_face[right] += along(0, columns, pixels) * y * z;
  lung_.at_face[left] += along(columns - 1, columns, pixels) * y * z;
  lung_.at_face[front] += along(0, 1, columns) * x * z;
  lung_.at_face[back] += along(pixels - columns, 1, pixels) * x * z;
}

std::optional<Note> QualityChecker::metal() const {
  if (dense_slices_.empty()) return std::nullopt;
  auto slices = dense_slices_;
  std::ranges::sort(slices);
  return Note{"metal", fmt::format("metal, or contrast medium as dense as metal, in {} {}: {}; streaks from it may "
                                   "look like lesions",
                                   slices.size(), slices.size() == 1 ? "slice" : "slices", some_of(slices))};
}

std::optional<Note> QualityChecker::contrast_by_header() const {
  const auto agent = source_.attributes.find("ContrastBolusAgent");
  if (agent == source_.attributes.end()) return std::nullopt;
  std::string word;
  for (const char c : agent->second) {
    if (c != ' ') word += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  // Scanners write such words where none was given.
  for (const char* none : {"", "NO", "NONE", "N", "WITHOUT", "NOCONTRAST", "N/A"}) {
    if (word == none) return std::nullopt;
  }
  return Note{"contrast_enhanced", "the header names a contrast medium: the lung's densities are higher than without"};
}

std::optional<Note> QualityChecker::lung_volume() const {
  const bool known = known_spacing(source_) == KnownSpacing::complete && !is_default_spacing(grid_.spacing);
  const double slice_mm = volume::voxel_volume_mm3(grid_) / pixel_area_mm2(grid_);
  const double litres = std::accumulate(lung_.area.begin(), lung_.area.end(), 0.0) * slice_mm / 1e6;
  if (!known || grid_.size[2] == 1 || litres == 0) return std::nullopt;
  if (litres >= smallest_lungs_l && litres <= largest_lungs_l) return std::nullopt;
  return Note{"unusual_lung_volume",
              fmt::format("the lungs have {:.2g} l ({} to {} are usual): is the spacing right, or "
                          "is it a small child?",
                          litres, smallest_lungs_l, largest_lungs_l)};
}

/// The lungs as they are best known: by their mask, else by their air; nothing where this is no chest.
LungExtent QualityChecker::lungs(const std::optional<Chest>& chest, bool no_chest) const {
  if (no_chest || !(chest || has_lung_mask_)) return {.area = std::vector<double>(lung_.area.size())};
  if (!chest) return lung_;
  const LungExtent aerated = extent_of(chest->lungs);
  if (!has_lung_mask_) return aerated;
  LungExtent lungs = lung_;
  for (const Face end : {lower, upper}) {  // networks take gas in the bowel for lung
    if (aerated.at_face[end] == 0) lungs.at_face[end] = 0;
  }
  return lungs;
}

std::vector<Note> QualityChecker::chest_notes(bool hounsfield) const {
  std::vector<Note> notes;
  const auto say = [&](const std::optional<Note>& note) {
    if (note) notes.push_back(*note);
    return note.has_value();
  };
  std::optional<Chest> chest;
  if (hounsfield) chest = find_chest(small_);
  const double picture_mm2 = pixel_area_mm2(grid_) * static_cast<double>(grid_.size[0] * grid_.size[1]);
  bool no_chest = false;
  if (chest)
    no_chest = say(not_chest_by_density(small_, *chest));
  else if (has_lung_mask_)
    no_chest = say(not_chest_by_mask(*std::ranges::max_element(lung_.area) / picture_mm2));
  const LungExtent extent = lungs(chest, no_chest);
  say(too_few_slices(extent));
  const bool cut = say(lungs_cut(extent));
  if (has_lung_mask_ && !no_chest && !cut) say(lung_volume());
  auto contrast = contrast_by_header();
  if (chest && !no_chest) {
    const bool turned = say(wrong_orientation_by_density(small_, *chest));
    if (!turned && !contrast) contrast = contrast_by_density(small_, *chest);
  } else if (has_lung_mask_ && !no_chest) {
    say(wrong_orientation_by_mask(outlines_));
  }
  say(contrast);
  return notes;
}

std::vector<Note> QualityChecker::finish(const IntensityStatistics& intensities) const {
  std::vector<Note> notes = header_notes(grid_, source_);
  std::ranges::move(intensity_notes(intensities, grid_.size[2]), std::back_inserter(notes));
  if (intensities.scale == IntensityScale::labels) return notes;  // a mask
  bool hounsfield = intensities.scale == IntensityScale::hounsfield;
  if (hounsfield && !may_be_hounsfield(source_)) {
    notes.push_back({"not_hounsfield", "the header's RescaleType names another unit than HU"});
    hounsfield = false;
  }
  std::ranges::move(chest_notes(hounsfield), std::back_inserter(notes));
  if (const auto found = hounsfield ? metal() : std::nullopt) notes.push_back(*found);
  return notes;
}

}  // namespace pulmoseg::quantify
