#include "pulmoseg/report/case_views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::report {
namespace {

constexpr std::int64_t planes_kept = 24, most_pixels = 512, most_slices = 768;

/// Every how many-eth of `size` is kept, so that there are no more than `most`.
std::int64_t step_for(std::int64_t size, std::int64_t most) {
  return std::max<std::int64_t>(1, (size + most - 1) / most);
}

std::int64_t thinned(std::int64_t size, std::int64_t step) { return (size + step - 1) / step; }

}  // namespace

CaseViews::Planes::Planes(std::int64_t across, std::int64_t rows_, std::int64_t columns_)
    : extent(across),
      count(std::min(planes_kept, across)),
      rows(rows_),
      columns(columns_),
      pixels(static_cast<std::size_t>(count * rows * columns)),
      inside(pixels.size()),
      lesion(static_cast<std::size_t>(count)),
      lung(static_cast<std::size_t>(count)) {}

std::int64_t CaseViews::Planes::position(std::int64_t plane) const { return (2 * plane + 1) * extent / (2 * count); }

UprightPlane CaseViews::Planes::best(PixelSpacing spacing) const {
  std::int64_t chosen = 0;
  const auto rank = [&](std::int64_t plane) {
    const auto at = static_cast<std::size_t>(plane);
    return std::tuple(lesion[at], lung[at], -std::abs(2 * plane + 1 - count));
  };
  for (std::int64_t plane = 1; plane < count; ++plane) {
    if (rank(plane) > rank(chosen)) chosen = plane;
  }
  UprightPlane best{.slice = {.index = position(chosen), .rows = rows, .columns = columns}, .spacing = spacing};
  const bool has_lung = std::ranges::any_of(lung, [](std::int64_t voxels) { return voxels > 0; });
  for (std::int64_t row = rows - 1; row >= 0; --row) {  // upright
    const std::int64_t first = (chosen * rows + row) * columns;
    for (std::int64_t i = first; i < first + columns; ++i) {
      const auto at = static_cast<std::size_t>(i);
      best.slice.pixels.push_back(pixels[at]);
      best.slice.lesion.push_back(inside[at] & 1);
      if (has_lung) best.slice.lung.push_back(inside[at] >> 1);
    }
  }
  return best;
}

CaseViews::CaseViews(const volume::Geometry& grid)
    : grid_(grid),
      slice_step_(step_for(grid.size[2], most_slices)),
      column_step_(step_for(grid.size[0], most_pixels)),
      row_step_(step_for(grid.size[1], most_pixels)),
      coronal_(grid.size[1], thinned(grid.size[2], slice_step_), thinned(grid.size[0], column_step_)),
      sagittal_(grid.size[0], thinned(grid.size[2], slice_step_), thinned(grid.size[1], row_step_)),
      lung_seen_(static_cast<std::size_t>(coronal_.rows * coronal_.columns)),
      lesion_seen_(lung_seen_.size()) {}

void CaseViews::add_line(Planes& planes, std::int64_t row, const quantify::MeasuredSlice& slice, bool coronal) const {
  for (std::int64_t plane = 0; plane < planes.count; ++plane) {
    const std::int64_t across = planes.position(plane);
    for (std::int64_t column = 0; column < planes.columns; ++column) {
      const std::int64_t along = column * (coronal ? column_step_ : row_step_);
      const auto pixel =
          static_cast<std::size_t>(coronal ? across * slice.columns + along : along * slice.columns + across);
      const bool lesion = slice.lesion[pixel] != 0, lung = !slice.lung.empty() && slice.lung[pixel] != 0;
      const auto at = static_cast<std::size_t>((plane * planes.rows + row) * planes.columns + column);
      planes.pixels[at] = slice.pixels[pixel];
      planes.inside[at] = static_cast<std::uint8_t>((lesion ? 1 : 0) | (lung ? 2 : 0));
      planes.lesion[static_cast<std::size_t>(plane)] += lesion;
      planes.lung[static_cast<std::size_t>(plane)] += lung;
    }
  }
}

void CaseViews::add_depths(const quantify::MeasuredSlice& slice) {
  const auto first = static_cast<std::size_t>(slice.index / slice_step_ * coronal_.columns);
  const auto columns = static_cast<std::size_t>(slice.columns), step = static_cast<std::size_t>(column_step_);
  std::vector<std::uint32_t> lesion(columns), lung(columns);  // of each column, over the rows
  for (std::size_t i = 0; i < slice.lesion.size(); i += columns) {
    for (std::size_t column = 0; column < columns; ++column) lesion[column] += slice.lesion[i + column] != 0;
  }
  for (std::size_t i = 0; i < slice.lung.size(); i += columns) {
    for (std::size_t column = 0; column < columns; ++column) lung[column] |= slice.lung[i + column];
  }
  for (std::size_t column = 0; column < columns; ++column) {
    lesion_seen_[first + column / step] += lesion[column];
    if (lung[column] != 0) lung_seen_[first + column / step] = 1;
  }
}

void CaseViews::add(const quantify::MeasuredSlice& slice) {
  const auto pixels = static_cast<std::size_t>(grid_.size[0] * grid_.size[1]);
  if (slice.columns != grid_.size[0] || slice.rows != grid_.size[1] || slice.index < 0 ||
      slice.index >= grid_.size[2] || slice.pixels.size() != pixels || slice.lesion.size() != pixels ||
      (!slice.lung.empty() && slice.lung.size() != pixels)) {
    throw Error(fmt::format("slice {} of {} x {} pixels is none of a scan of {} x {} x {}", slice.index, slice.columns,
                            slice.rows, grid_.size[0], grid_.size[1], grid_.size[2]));
  }
  add_depths(slice);
  if (slice.index % slice_step_ != 0) return;
  add_line(coronal_, slice.index / slice_step_, slice, true);
  add_line(sagittal_, slice.index / slice_step_, slice, false);
}

UprightViews CaseViews::finish() const {
  const double height = grid_.spacing[2] * static_cast<double>(slice_step_);
  const PixelSpacing coronal{grid_.spacing[0] * static_cast<double>(column_step_), height};
  const PixelSpacing sagittal{grid_.spacing[1] * static_cast<double>(row_step_), height};
  UprightViews views{coronal_.best(coronal),
                     sagittal_.best(sagittal),
                     {.rows = coronal_.rows, .columns = coronal_.columns, .spacing = coronal}};
  const double depth = grid_.spacing[1] / static_cast<double>(column_step_ * slice_step_);
  for (std::int64_t row = coronal_.rows - 1; row >= 0; --row) {
    for (std::int64_t i = row * coronal_.columns; i < (row + 1) * coronal_.columns; ++i) {
      views.map.lung.push_back(lung_seen_[static_cast<std::size_t>(i)]);
      views.map.lesion_depth.push_back(static_cast<float>(lesion_seen_[static_cast<std::size_t>(i)] * depth));
    }
  }
  return views;
}

}  // namespace pulmoseg::report
