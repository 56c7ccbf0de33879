#include "pulmoseg/report/slice_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/report/html.hpp"
#include "pulmoseg/report/mask_shape.hpp"

namespace pulmoseg::report {
namespace {

/// Along the longer side of a picture. More than a printer of 300 dpi has for a tile only make the file larger.
constexpr std::int64_t fewest_pixels = 320, most_pixels = 420;

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

/// What of the source pixels each pixel of a picture is made of along one axis: linear interpolation where it is enlarged, a
/// triangle as wide as two of its pixels where it is reduced.
class Resampling {
 public:
  Resampling(std::int64_t from, std::int64_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to), radius = std::max(1.0, scale);
    for (std::int64_t i = 0; i < to; ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * scale;
      const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(centre - radius)));
      const auto last = std::min(from - 1, static_cast<std::int64_t>(std::ceil(centre + radius)));
      Taps taps{first, {}};
      double sum = 0;
      for (std::int64_t j = first; j <= last; ++j) {
        taps.weights.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(j) + 0.5 - centre) / radius));
        sum += taps.weights.back();
      }
      for (double& weight : taps.weights) weight /= sum;
      taps_.push_back(std::move(taps));
    }
  }

  std::size_t size() const { return taps_.size(); }

  /// Of values that lie `stride` apart.
  double at(std::size_t i, const float* values, std::int64_t stride) const {
    double sum = 0;
    const float* value = values + taps_[i].first * stride;
    for (const double weight : taps_[i].weights) {
      sum += weight * *value;
      value += stride;
    }
    return sum;
  }

 private:
  struct Taps {
    std::int64_t first;
    std::vector<double> weights;
  };
  std::vector<Taps> taps_;
};

/// The shown part as grey values, row by row.
std::vector<std::uint8_t> resampled(const SliceFigure& figure, const Resampling& down, const Resampling& across) {
  const Part& part = figure.part;
  std::vector<float> narrow;  // part.rows x across.size()
  for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
    const float* first = figure.slice.pixels.data() + row * figure.slice.columns + part.column;
    for (std::size_t i = 0; i < across.size(); ++i) narrow.push_back(static_cast<float>(across.at(i, first, 1)));
  }
  const double span = figure.window.high > figure.window.low ? figure.window.high - figure.window.low : 1;
  std::vector<std::uint8_t> grey;
  for (std::size_t j = 0; j < down.size(); ++j) {
    for (std::size_t i = 0; i < across.size(); ++i) {
      const double value = down.at(j, narrow.data() + i, static_cast<std::int64_t>(across.size()));
      grey.push_back(
          static_cast<std::uint8_t>(std::lround(std::clamp((value - figure.window.low) / span, 0.0, 1.0) * 255)));
    }
  }
  return grey;
}

/// With square pixels, whatever shape those of the scan have: programs that show PDF do not smooth what they enlarge.
std::string image_of(const SliceFigure& figure, double width, double height) {
  const std::int64_t longer = std::clamp(std::max(figure.part.columns, figure.part.rows), fewest_pixels, most_pixels);
  const double scale = static_cast<double>(longer) / std::max(width, height);
  const auto pixels = [&](double length) { return std::max<std::int64_t>(1, std::llround(length * scale)); };
  const Resampling down(figure.part.rows, pixels(height)), across(figure.part.columns, pixels(width));
  const auto png = grey_png(pixels(height), pixels(width), resampled(figure, down, across));
  return fmt::format("<image width=\"{:.2f}\" height=\"{:.2f}\" preserveAspectRatio=\"none\" href=\"{}\"/>", width,
                     height, png_uri(png));
}

/// A dark edge keeps the colour visible on bright tissue.
std::string contour(const std::string& path, const PixelSpacing& spacing, const std::string& id, std::string_view of) {
  if (path.empty()) return {};
  // On the path itself: Chromium does not take it from a style through <use>, and draws the line as wide as the pixels are.
  return fmt::format(
      "<defs><path id=\"{0}-{1}\" vector-effect=\"non-scaling-stroke\" transform=\"scale({2:.5g} {3:.5g})\" "
      "d=\"{4}\"/></defs><use class=\"edge\" "
      "href=\"#{0}-{1}\"/><use class=\"{1}\" href=\"#{0}-{1}\"/>",
      id, of, spacing.column / 2, spacing.row / 2, path);
}

std::string letters(const std::array<std::string, 2>& sides, double width, double height) {
  if (sides[0].empty()) return {};
  const double size = std::min(width, height) * 0.06;
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
