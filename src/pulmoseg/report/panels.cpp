#include "pulmoseg/report/panels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/report/canvas.hpp"
#include "pulmoseg/report/mask_shape.hpp"

namespace pulmoseg::report {
namespace {

constexpr double scale = 2, margin = 20, gap = 12;
constexpr TextStyle title_style{.size = 15, .bold = true};
constexpr TextStyle panel_title_style{.size = 11.5, .bold = true};
constexpr TextStyle legend_style{.size = 10.5};
constexpr Colour truth_colour = purple, right_colour = sky, extra_colour = yellow, missed_colour = vermillion;
constexpr double tint = 0.55;
constexpr double narrowest = 260;  // the legend's words need this much below a panel

void check(const Panels& panels, const std::filesystem::path& png) {
  const auto pixels = static_cast<std::size_t>(std::max<std::int64_t>(panels.rows * panels.columns, 0));
  if (pixels > 0 && panels.image.size() == pixels && panels.truth.size() == pixels &&
      panels.prediction.size() == pixels)
    return;
  throw Error(fmt::format("{}: a slice of {} x {} pixels, but {} image, {} truth and {} prediction pixels were given",
                          png.string(), panels.columns, panels.rows, panels.image.size(), panels.truth.size(),
                          panels.prediction.size()));
}

/// Size of a panel in points: about 384 wide, a whole number of picture pixels for each pixel of a small slice.
Point panel_size(const Panels& panels) {
  const double width = static_cast<double>(panels.columns) * panels.spacing.column;
  const double height = static_cast<double>(panels.rows) * panels.spacing.row;
  constexpr double target = 384 * scale;  // picture pixels of the longer side
  const double finer = std::min(panels.spacing.column, panels.spacing.row);
  double enlarged = target * finer / std::max(width, height);  // picture pixels for the shorter side of a slice pixel
  if (enlarged >= 2) enlarged = std::floor(enlarged);
  return {width / finer * enlarged / scale, height / finer * enlarged / scale};
}

using Mask = std::vector<std::uint8_t>;

template <class Choose>
Mask choose(const Panels& panels, Choose inside) {
  Mask mask(panels.truth.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = inside(panels.truth[i] != 0, panels.prediction[i] != 0);
  return mask;
}

void tint_mask(Canvas& canvas, const Panels& panels, const Mask& mask, const Box& box, Colour colour) {
  colour.alpha = tint;
  canvas.fill(mask_boxes(mask, panels.rows, panels.columns, box), colour);
  colour.alpha = 1;
  canvas.segments(mask_edges(mask, panels.rows, panels.columns, box), {colour, 0.7, {}});
}

struct Entry {
  Colour colour;
  std::string text;
};

void draw_legend(Canvas& canvas, std::span<const Entry> entries, Point at, double width) {
  double needed = 0;
  for (const auto& entry : entries) needed += 15 + canvas.text_width(entry.text, legend_style);
  const double between =
      entries.size() > 1 ? std::min(18.0, (width - needed) / static_cast<double>(entries.size() - 1)) : 0;
  for (const auto& entry : entries) {
    Colour fill = entry.colour;
    fill.alpha = 0.75;
    canvas.fill({at.x, at.y - 9, 10, 10}, fill);
    canvas.outline({at.x, at.y - 9, 10, 10}, {entry.colour, 1, {}});
    canvas.text({at.x + 15, at.y}, entry.text, legend_style);
    at.x += 15 + canvas.text_width(entry.text, legend_style) + between;
  }
}

std::string figure(std::string_view name, const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{} {:.3f}", name, *value) : fmt::format("{} –", name);
}

void draw_header(Canvas& canvas, const Panels& panels) {
  const std::string figures = fmt::format("{}    {}", figure("Dice", panels.dice), figure("IoU", panels.iou));
  TextStyle style = title_style;
  style.align = Align::right;
  canvas.text({canvas.width() - margin, margin + 13}, figures, style);
  const double room = canvas.width() - 2 * margin - canvas.text_width(figures, style) - 24;
  canvas.text({margin, margin + 13}, canvas.shortened(panels.title, room, title_style), title_style);
}

void draw_masks(Canvas& canvas, const Panels& panels, const std::array<Box, 3>& boxes) {
  tint_mask(canvas, panels, choose(panels, [](bool truth, bool) { return truth; }), boxes[1], truth_colour);
  tint_mask(canvas, panels, choose(panels, [](bool truth, bool found) { return truth && found; }), boxes[2],
            right_colour);
  tint_mask(canvas, panels, choose(panels, [](bool truth, bool found) { return !truth && found; }), boxes[2],
            extra_colour);
  tint_mask(canvas, panels, choose(panels, [](bool truth, bool found) { return truth && !found; }), boxes[2],
            missed_colour);
}

}  // namespace

void draw_panels(const Panels& panels, const std::filesystem::path& png) {
  check(panels, png);
  const Point size = panel_size(panels);
  const double place = std::max(size.x, narrowest);
  const double top = margin + 46, width = 2 * margin + 2 * gap + 3 * place;
  // The caption's height is known only on a canvas of this width.
  const auto caption = caption_lines(Canvas(png, width, 1, scale), panels.caption, width - 2 * margin);
  const double height = top + size.y + 44 + caption_line_height * static_cast<double>(caption.size()) + margin / 2;
  Canvas canvas(png, width, height, scale);
  draw_header(canvas, panels);

  std::array<Box, 3> boxes{};
  const std::array<std::string_view, 3> titles{"CT", "Reference", "Prediction"};
  const Window window = panels.window.value_or(display_window(panels.image));
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    boxes[i] = {margin + static_cast<double>(i) * (place + gap), top, size.x, size.y};
    canvas.text({boxes[i].x, top - 8}, titles[i], panel_title_style);
    canvas.grey(boxes[i], panels.rows, panels.columns, panels.image, window);
  }
  draw_masks(canvas, panels, boxes);
  const double legend = top + size.y + 20;
  draw_legend(canvas, std::array{Entry{truth_colour, "lesion"}}, {boxes[1].x, legend}, place);
  draw_legend(canvas,
              std::array{Entry{right_colour, "true positive"}, Entry{extra_colour, "false positive"},
                         Entry{missed_colour, "false negative"}},
              {boxes[2].x, legend}, place);
  draw_caption(canvas, caption, {margin, legend + 26});
  canvas.save();
}

}  // namespace pulmoseg::report
