#include "pulmoseg/report/histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pulmoseg/report/axis.hpp"
#include "pulmoseg/report/html.hpp"

namespace pulmoseg::report {
namespace {

constexpr std::size_t bins = 20;
constexpr double width = 340, height = 170, left = 40, right = 14, top = 22, bottom = 38;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;

}  // namespace

std::string histogram_svg(std::span<const double> values, const std::string& label) {
  const Axis x = make_axis(values, {.most_ticks = 6});
  std::array<double, bins> counts{};
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const auto bin = static_cast<std::size_t>(std::clamp(x.position(value), 0.0, 1.0) * bins);
    ++counts[std::min(bin, bins - 1)];
  }
  const std::array ends{0.0, std::ranges::max(counts)};
  const Axis y = make_axis(ends, {.whole_numbers = true, .most_ticks = 4});

  std::string svg = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"histogram: {}\"><text x=\"0\" "
      "y=\"12\">cases</text>",
      width, height, escaped(label));
  for (const Tick& tick : y.ticks) {
    const double at = top + plot_height * (1 - y.position(tick.value));
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{0:.1f} {1:.1f}h{2:.1f}\"/><text x=\"{3:.1f}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5}</text>",
        left, at, plot_width, left - 5, at + 4, tick.text);
  }
  const double step = plot_width / bins;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const double tall = plot_height * y.position(counts[bin]);
    if (counts[bin] > 0)
      svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#0072b2\"/>",
                         left + step * static_cast<double>(bin) + 0.5, top + plot_height - tall, step - 1, tall);
  }
  for (const Tick& tick : x.ticks) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
                       left + plot_width * x.position(tick.value), top + plot_height + 15, tick.text);
  }
  return svg + fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text></svg>",
                           left + plot_width / 2, height - 5, escaped(label));
}

}  // namespace pulmoseg::report
