#include "pulmoseg/report/slice_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/report/html.hpp"
#include "pulmoseg/report/mask_shape.hpp"

namespace pulmoseg::report {
namespace {

/// More pixels than a printer of 300 dpi has for a tile only make the file larger.
constexpr std::int64_t most_columns = 420;

struct Step {
  double from;  ///< mm
  std::string_view colour;
};
/// ColorBrewer's YlOrRd (Brewer & Harrower): told apart by colour-blind readers and in grey.
constexpr std::array<Step, 5> steps{
    {{0, "#fed976"}, {10, "#feb24c"}, {20, "#fd8d3c"}, {40, "#e31a1c"}, {80, "#800026"}}};

std::vector<std::uint8_t> cut(std::span<const std::uint8_t> mask, std::int64_t columns, const Part& part) {
  std::vector<std::uint8_t> inside;
  for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
    const auto first = mask.begin() + row * columns + part.column;
    inside.insert(inside.end(), first, first + part.columns);
  }
  return inside;
}

/// The mean of the pixels that lie below a picture's pixel, as grey.
std::vector<std::uint8_t> reduced(const SliceFigure& figure, std::int64_t rows, std::int64_t columns) {
  const Part& part = figure.part;
  const double span = figure.window.high > figure.window.low ? figure.window.high - figure.window.low : 1;
  std::vector<std::uint8_t> grey;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t top = row * part.rows / rows, bottom = std::max(top + 1, (row + 1) * part.rows / rows);
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t left = column * part.columns / columns,
                         right = std::max(left + 1, (column + 1) * part.columns / columns);
      double sum = 0;
      for (std::int64_t y = top; y < bottom; ++y) {
        for (std::int64_t x = left; x < right; ++x)
          sum += figure.slice.pixels[static_cast<std::size_t>((part.row + y) * figure.slice.columns + part.column + x)];
      }
      const double share = (sum / static_cast<double>((bottom - top) * (right - left)) - figure.window.low) / span;
      grey.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(share, 0.0, 1.0) * 255)));
    }
  }
  return grey;
}

std::string image_of(const SliceFigure& figure, double width, double height) {
  const std::int64_t columns = std::min(figure.part.columns, most_columns);
  const std::int64_t rows = std::max<std::int64_t>(1, figure.part.rows * columns / figure.part.columns);
  return fmt::format("<image width=\"{:.2f}\" height=\"{:.2f}\" preserveAspectRatio=\"none\" href=\"{}\"/>", width,
                     height, png_uri(grey_png(rows, columns, reduced(figure, rows, columns))));
}

/// A dark edge keeps the colour visible on bright tissue.
std::string contour(const std::string& path, const PixelSpacing& spacing, const std::string& id, std::string_view of) {
  if (path.empty()) return {};
  return fmt::format(
      "<defs><path id=\"{0}-{1}\" transform=\"scale({2:.5g} {3:.5g})\" d=\"{4}\"/></defs><use class=\"edge\" "
      "href=\"#{0}-{1}\"/><use class=\"{1}\" href=\"#{0}-{1}\"/>",
      id, of, spacing.column / 2, spacing.row / 2, path);
}

std::string letters(const std::array<std::string, 2>& sides, double width, double height) {
  if (sides[0].empty()) return {};
  const double size = std::min(width, height) * 0.07;
  return fmt::format(
      "<g class=\"side\" font-size=\"{0:.2f}\"><text x=\"{1:.2f}\" y=\"{2:.2f}\">{3}</text><text x=\"{4:.2f}\" "
      "y=\"{2:.2f}\" text-anchor=\"end\">{5}</text></g>",
      size, size * 0.4, height / 2, sides[0], width - size * 0.4, sides[1]);
}

std::string open_svg(double width, double height, const std::string& description) {
  return fmt::format("<svg viewBox=\"0 0 {:.2f} {:.2f}\" role=\"img\" aria-label=\"{}\">", width, height,
                     escaped(description));
}

std::string plane_line(const PlaneLine& line, const SliceFigure& figure, double width, double height) {
  const double at = line.vertical ? (line.at + 0.5 - static_cast<double>(figure.part.column)) * figure.spacing.column
                                  : (line.at + 0.5 - static_cast<double>(figure.part.row)) * figure.spacing.row;
  if (line.vertical) return fmt::format("<path class=\"plane\" d=\"M{0:.2f} 0V{1:.2f}\"/>", at, height);
  return fmt::format("<path class=\"plane\" d=\"M0 {0:.2f}H{1:.2f}\"/>", at, width);
}

}  // namespace

std::string slice_svg(const SliceFigure& figure, const std::string& id) {
  const double width = static_cast<double>(figure.part.columns) * figure.spacing.column;
  const double height = static_cast<double>(figure.part.rows) * figure.spacing.row;
  std::string svg = open_svg(width, height, figure.description) + image_of(figure, width, height);
  svg += "<g class=\"contours\">";
  const auto outline = [&](const std::vector<std::uint8_t>& mask) {
    return outline_path(cut(mask, figure.slice.columns, figure.part), figure.part.rows, figure.part.columns);
  };
  if (!figure.slice.lung.empty()) svg += contour(outline(figure.slice.lung), figure.spacing, id, "lung");
  svg += contour(outline(figure.slice.lesion), figure.spacing, id, "lesion") + "</g>";
  for (const PlaneLine& line : figure.planes) svg += plane_line(line, figure, width, height);
  return svg + letters(figure.sides, width, height) + "</svg>";
}

std::string lung_map_svg(const LungMap& map, const std::array<std::string, 2>& sides, const std::string& description) {
  std::vector<std::uint8_t> shown = map.lung;
  for (std::size_t i = 0; i < shown.size(); ++i) shown[i] |= map.lesion_depth[i] > 0;
  const std::vector<GallerySlice> whole{{.rows = map.rows, .columns = map.columns, .lesion = shown, .lung = shown}};
  const Part part = shown_part(whole);
  const double width = static_cast<double>(part.columns) * map.spacing.column;
  const double height = static_cast<double>(part.rows) * map.spacing.row;
  std::string svg =
      open_svg(width, height, description) + fmt::format("<g transform=\"scale({:.5g} {:.5g})\" fill-rule=\"evenodd\">",
                                                         map.spacing.column / 2, map.spacing.row / 2);
  const auto shape = [&](const std::vector<std::uint8_t>& mask, std::string_view colour, std::string_view more) {
    const auto path = outline_path(cut(mask, map.columns, part), part.rows, part.columns);
    if (!path.empty()) svg += fmt::format("<path fill=\"{}\"{} d=\"{}\"/>", colour, more, path);
  };
  shape(map.lung, "#dce6ee", " class=\"silhouette\"");
  for (const Step& step : steps) {
    std::vector<std::uint8_t> mask(map.lesion_depth.size());
    std::ranges::transform(map.lesion_depth, mask.begin(),
                           [&](float depth) { return depth > 0 && depth >= step.from; });
    shape(mask, step.colour, "");
  }
  return svg + "</g>" + letters(sides, width, height) + "</svg>";
}

std::string lung_map_legend() {
  std::string legend = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string words = i == 0                 ? fmt::format("&lt; {:.0f}", steps[1].from)
                              : i + 1 < steps.size() ? fmt::format("{:.0f}–{:.0f}", steps[i].from, steps[i + 1].from)
                                                     : fmt::format("≥ {:.0f} mm", steps[i].from);
    legend += fmt::format("<li><i style=\"background:{}\"></i>{}</li>", steps[i].colour, words);
  }
  return legend + "</ul>";
}

}  // namespace pulmoseg::report
