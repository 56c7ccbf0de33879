#include "pulmoseg/report/slice_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "pulmoseg/report/axis.hpp"

namespace pulmoseg::report {
namespace {

constexpr double width = 400, height = 220, left = 44, right = 6, top = 22, bottom = 40;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;

/// A step a slice, from the axis to `values`.
std::string area(const std::vector<double>& values, const Axis& y, std::string_view colour) {
  std::string path = fmt::format("M{:.1f} {:.1f}", left, top + plot_height);
  const double step = plot_width / static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    fmt::format_to(std::back_inserter(path), "V{:.1f}H{:.2f}", top + plot_height * (1 - y.position(values[i])),
                   left + step * static_cast<double>(i + 1));
  }
  return fmt::format("<path fill=\"{}\" d=\"{}V{:.1f}z\"/>", colour, path, top + plot_height);
}

std::string y_ticks(const Axis& y) {
  std::string svg;
  for (const Tick& tick : y.ticks) {
    const double at = top + plot_height * (1 - y.position(tick.value));
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}h{:.1f}\"/>", left, at, plot_width);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", left - 5, at + 4, tick.text);
  }
  return svg;
}

double x_of(std::int64_t slice, std::size_t slices) {
  return left + plot_width * (static_cast<double>(slice) + 0.5) / static_cast<double>(slices);
}

std::string x_ticks(std::size_t slices) {
  const std::vector<double> ends{0, static_cast<double>(slices) - 1};
  const Axis x = make_axis(ends, {.whole_numbers = true, .most_ticks = 6});
  std::string svg;
  for (const Tick& tick : x.ticks) {
    if (tick.value < 0 || tick.value > ends[1] || tick.text.empty()) continue;
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
                       x_of(static_cast<std::int64_t>(tick.value), slices), top + plot_height + 19, tick.text);
  }
  return svg + fmt::format(
                   "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">slice, from the lowest to the highest "
                   "(▲ shown above)</text>",
                   left + plot_width / 2, height - 4);
}

std::string legend_entry(double x, std::string_view colour, std::string_view text) {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"3\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{:.1f}\" y=\"13\">{}</text>", x,
      colour, x + 16, text);
}

}  // namespace

std::string slice_curve_svg(const quantify::Measurements& measurements, std::span<const std::int64_t> pictured) {
  const bool in_cm2 = measurements.pixel_area_mm2.has_value();
  std::vector<double> lesion, lung;
  for (const auto& slice : measurements.slices) {
    const auto value = [&](std::int64_t voxels) {
      return static_cast<double>(voxels) * (in_cm2 ? *measurements.pixel_area_mm2 / 100 : 1);
    };
    lesion.push_back(value(slice.lesion_voxels));
    if (slice.lung_voxels) lung.push_back(value(*slice.lung_voxels));
  }
  if (lesion.empty()) return {};
  std::vector<double> all{0};
  all.insert(all.end(), lesion.begin(), lesion.end());
  all.insert(all.end(), lung.begin(), lung.end());
  const Axis y = make_axis(all, {.most_ticks = 4});

  std::string svg = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"area of lesion and lung in each "
      "slice\">",
      width, height);
  svg += y_ticks(y);
  if (lung.size() == lesion.size()) svg += area(lung, y, "#cfe6f5");
  svg += area(lesion, y, "#e69f00") + x_ticks(lesion.size());
  for (const std::int64_t slice : pictured) {
    svg += fmt::format("<path fill=\"#52606e\" d=\"M{:.1f} {:.1f}l3 5h-6z\"/>", x_of(slice, lesion.size()),
                       top + plot_height + 1);
  }
  svg += fmt::format("<text x=\"0\" y=\"13\">{}</text>", in_cm2 ? "cm²" : "pixels");
  svg += legend_entry(left + 4, "#e69f00", "lesion");
  if (!lung.empty()) svg += legend_entry(left + 74, "#cfe6f5", "lung, lesion included");
  return svg + "</svg>";
}

}  // namespace pulmoseg::report
