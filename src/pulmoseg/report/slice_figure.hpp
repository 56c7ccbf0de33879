#pragma once
// A slice with its outlines as an <svg> (inside of report/ only): the grey picture as PNG inside of it, outlines of lesion and
// lung as lines that stay sharp and can be switched off by the page's style.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "pulmoseg/report/case_views.hpp"
#include "pulmoseg/report/image.hpp"
#include "pulmoseg/report/overlay.hpp"
#include "pulmoseg/report/tile.hpp"

namespace pulmoseg::report {

/// A dashed line where another picture's plane cuts through this one, at a row or column of the slice.
struct PlaneLine {
  bool vertical = false;
  double at = 0;
};

struct SliceFigure {
  const GallerySlice& slice;
  Part part{};
  PixelSpacing spacing{};
  Window window{};
  std::array<std::string, 2> sides{};  ///< letters at its left and right; empty: none
  std::vector<PlaneLine> planes{};
  std::string description{};  ///< for those who cannot see it
};

/// `id`: no two figures of a page share one.
std::string slice_svg(const SliceFigure& figure, const std::string& id);

/// Depth of lesion in steps that are the same in every report, so that maps compare.
std::string lung_map_svg(const LungMap& map, const std::array<std::string, 2>& sides, const std::string& description);

/// The steps of that map with their colours, as an HTML fragment.
std::string lung_map_legend();

}  // namespace pulmoseg::report
