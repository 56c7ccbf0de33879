#include "pulmoseg/report/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/report/axis.hpp"
#include "pulmoseg/report/canvas.hpp"

namespace pulmoseg::report {
namespace {

constexpr TextStyle title_style{.size = 15, .bold = true};
constexpr TextStyle label_style{.size = 11};
constexpr TextStyle tick_style{.size = 10, .colour = faint_ink};
constexpr double margin = 22, tick_gap = 7, legend_line_height = 18, swatch = 26, legend_gap = 22;
constexpr double line_width = 1.8, dot_radius = 2.6;
constexpr std::size_t most_dots = 60;  // beyond, dots hide the line

Stroke series_stroke(std::size_t index) {
  constexpr std::array colours{blue, vermillion, green, purple, orange, sky};
  const std::array<std::vector<double>, 4> dashes{{{}, {7, 3}, {2, 2.5}, {9, 3, 2, 3}}};
  return {colours[index % colours.size()], line_width, dashes[index % dashes.size()]};
}

Stroke mark_stroke() { return {faint_ink, 1.1, {3, 3}}; }
Stroke diagonal_stroke() { return {colour(0x9aa5b1), 1.1, {4, 4}}; }

struct LegendEntry {
  Stroke stroke;
  std::string text;
  Point at;  ///< left end on the baseline, relative to the legend's top left
};

struct Legend {
  std::vector<LegendEntry> entries;
  double height = 0;
};

/// Entries side by side, in as many lines as they need.
Legend lay_out_legend(const Canvas& canvas, const Chart& chart, double width) {
  Legend legend;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    if (!chart.series[i].label.empty()) legend.entries.push_back({series_stroke(i), chart.series[i].label, {}});
  }
  if (chart.diagonal) legend.entries.push_back({diagonal_stroke(), "chance", {}});
  if (chart.mark) legend.entries.push_back({mark_stroke(), chart.mark->label, {}});
  double x = 0, y = 0;
  for (auto& entry : legend.entries) {
    entry.text = canvas.shortened(entry.text, width - swatch - 6, label_style);
    const double needed = swatch + 6 + canvas.text_width(entry.text, label_style);
    if (x > 0 && x + needed > width) {
      x = 0;
      y += legend_line_height;
    }
    entry.at = {x, y + 12};
    x += needed + legend_gap;
  }
  legend.height = legend.entries.empty() ? 0 : y + legend_line_height;
  return legend;
}

struct Layout {
  std::vector<std::string> title, caption;
  Legend legend;
  Axis x, y;
  Box plot{};
  double legend_top = 0;
};

std::vector<double> all(const Chart& chart, std::vector<double> Series::*coordinate) {
  std::vector<double> values;
  for (const auto& series : chart.series) {
    values.insert(values.end(), (series.*coordinate).begin(), (series.*coordinate).end());
  }
  return values;
}

double widest_text(const Canvas& canvas, const Axis& axis) {
  double widest = 0;
  for (const auto& tick : axis.ticks) widest = std::max(widest, canvas.text_width(tick.text, tick_style));
  return widest;
}

/// As many ticks as stand side by side without touching.
Axis fitting_x_axis(const Canvas& canvas, const Chart& chart, double width) {
  Axis axis;
  for (int most = 12; most >= 1; --most) {
    axis = make_axis(all(chart, &Series::x), {chart.x_range, false, chart.whole_x, most});
    const double needed = (widest_text(canvas, axis) + 12) * static_cast<double>(axis.ticks.size());
    if (needed <= width) break;
  }
  return axis;
}

Layout lay_out(const Canvas& canvas, const Chart& chart, const std::filesystem::path& png) {
  Layout layout;
  const double width = canvas.width() - 2 * margin;
  layout.title = canvas.wrapped(chart.title, width, title_style);
  layout.caption = caption_lines(canvas, chart.caption, width);
  layout.legend = lay_out_legend(canvas, chart, width);
  layout.legend_top = margin + 20 * static_cast<double>(layout.title.size());

  const double top = layout.legend_top + layout.legend.height + 10;
  const double bottom = canvas.height() - margin - caption_line_height * static_cast<double>(layout.caption.size()) -
                        (chart.x_label.empty() ? 22 : 44);
  const int most_y = std::clamp(static_cast<int>((bottom - top) / 36), 2, 10);
  layout.y = make_axis(all(chart, &Series::y), {chart.y_range, chart.log_y, false, most_y});
  const double left = margin + (chart.y_label.empty() ? 0 : 20) + widest_text(canvas, layout.y) + tick_gap;
  // The last number below the x axis stands half beyond the plot.
  const double last =
      widest_text(canvas, make_axis(all(chart, &Series::x), {chart.x_range, false, chart.whole_x, 12})) / 2;
  layout.plot = {left, top, canvas.width() - std::max(margin, last + 8) - left, bottom - top};
  if (chart.square) {
    const double side = std::min(layout.plot.width, layout.plot.height);
    layout.plot = {left + (layout.plot.width - side) / 2, top, side, side};
  }
  if (layout.plot.width < 40 || layout.plot.height < 40) {
    throw Error(fmt::format("{}: a chart of {:g} x {:g} points has no room for its axes; make it larger", png.string(),
                            chart.width, chart.height));
  }
  layout.x = fitting_x_axis(canvas, chart, layout.plot.width);
  return layout;
}

double across(const Layout& layout, double x) { return layout.plot.x + layout.x.position(x) * layout.plot.width; }
double down(const Layout& layout, double y) { return layout.plot.bottom() - layout.y.position(y) * layout.plot.height; }

void draw_axes(Canvas& canvas, const Chart& chart, const Layout& layout) {
  const Box& plot = layout.plot;
  for (const auto& tick : layout.y.ticks) {
    const double y = down(layout, tick.value);
    canvas.line({plot.x, y}, {plot.right(), y}, {rule, tick.text.empty() ? 0.4 : 0.8, {}});
    auto style = tick_style;
    style.align = Align::right;
    canvas.text({plot.x - tick_gap, y + 3.6}, tick.text, style);
  }
  for (const auto& tick : layout.x.ticks) {
    const double x = across(layout, tick.value);
    canvas.line({x, plot.y}, {x, plot.bottom()}, {rule, 0.8, {}});
    canvas.line({x, plot.bottom()}, {x, plot.bottom() + 4}, {faint_ink, 0.9, {}});
    auto style = tick_style;
    style.align = Align::centre;
    canvas.text({x, plot.bottom() + 16}, tick.text, style);
  }
  canvas.line({plot.x, plot.bottom()}, {plot.right(), plot.bottom()}, {faint_ink, 0.9, {}});
  canvas.line({plot.x, plot.y}, {plot.x, plot.bottom()}, {faint_ink, 0.9, {}});

  auto style = label_style;
  style.align = Align::centre;
  canvas.text({plot.x + plot.width / 2, plot.bottom() + 35}, canvas.shortened(chart.x_label, plot.width, style), style);
  style.upwards = true;
  const double label_x = plot.x - tick_gap - widest_text(canvas, layout.y) - 12;
  canvas.text({label_x, plot.y + plot.height / 2}, canvas.shortened(chart.y_label, plot.height, style), style);
}

/// The runs of drawable points of a series, in the coordinates of the canvas.
std::vector<std::vector<Point>> runs(const Series& series, const Layout& layout) {
  std::vector<std::vector<Point>> all_runs(1);
  for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    const double x = series.x[i], y = series.y[i];
    if (std::isfinite(x) && std::isfinite(y) && (!layout.y.logarithmic || y > 0)) {
      all_runs.back().push_back({across(layout, x), down(layout, y)});
    } else if (!all_runs.back().empty()) {
      all_runs.emplace_back();
    }
  }
  if (all_runs.back().empty()) all_runs.pop_back();
  return all_runs;
}

/// True when something was drawn.
bool draw_series(Canvas& canvas, const Series& series, const Layout& layout, const Stroke& stroke) {
  const auto parts = runs(series, layout);
  const bool dots = series.x.size() <= most_dots;
  const Box room{layout.plot.x - dot_radius, layout.plot.y - dot_radius, layout.plot.width + 2 * dot_radius,
                 layout.plot.height + 2 * dot_radius};
  canvas.confine(room);
  for (const auto& points : parts) {
    if (points.size() > 1) canvas.line(points, stroke);
    if (!dots && points.size() > 1) continue;
    for (const Point& point : points) canvas.dot(point, dot_radius, stroke.colour);
  }
  canvas.release();
  return !parts.empty();
}

void draw_legend(Canvas& canvas, const Legend& legend, Point top_left) {
  for (const auto& entry : legend.entries) {
    const Point at{top_left.x + entry.at.x, top_left.y + entry.at.y};
    canvas.line({at.x, at.y - 4}, {at.x + swatch, at.y - 4}, entry.stroke);
    canvas.text({at.x + swatch + 6, at.y}, entry.text, label_style);
  }
}

void draw_data(Canvas& canvas, const Chart& chart, const Layout& layout) {
  const Box& plot = layout.plot;
  if (chart.diagonal) {
    const double low = std::max(layout.x.low, layout.y.low), high = std::min(layout.x.high, layout.y.high);
    if (low < high)
      canvas.line({across(layout, low), down(layout, low)}, {across(layout, high), down(layout, high)},
                  diagonal_stroke());
  }
  if (chart.mark && chart.mark->x >= layout.x.low && chart.mark->x <= layout.x.high) {
    const double x = across(layout, chart.mark->x);
    canvas.line({x, plot.y}, {x, plot.bottom()}, mark_stroke());
  }
  bool drawn = false;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    drawn = draw_series(canvas, chart.series[i], layout, series_stroke(i)) || drawn;
  }
  if (drawn) return;
  canvas.text({plot.x + plot.width / 2, plot.y + plot.height / 2}, "no data",
              {.size = 13, .colour = faint_ink, .align = Align::centre});
}

}  // namespace

void draw_chart(const Chart& chart, const std::filesystem::path& png) {
  Canvas canvas(png, chart.width, chart.height, chart.scale);
  const Layout layout = lay_out(canvas, chart, png);
  double y = margin + 12;
  for (const auto& line : layout.title) {
    canvas.text({margin, y}, line, title_style);
    y += 20;
  }
  draw_legend(canvas, layout.legend, {margin, layout.legend_top});
  draw_axes(canvas, chart, layout);
  draw_data(canvas, chart, layout);
  draw_caption(
      canvas, layout.caption,
      {margin, canvas.height() - margin + 8 - caption_line_height * (static_cast<double>(layout.caption.size()) - 1)});
  canvas.save();
}

}  // namespace pulmoseg::report
