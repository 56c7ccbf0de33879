#include "pulmoseg/report/canvas.hpp"

#include <cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numbers>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/utf8.hpp"

namespace pulmoseg::report {
namespace {

constexpr const char* font = "DejaVu Sans";

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
using Context = std::unique_ptr<cairo_t, decltype(&cairo_destroy)>;

void check(cairo_status_t status, const std::filesystem::path& png) {
  if (status == CAIRO_STATUS_SUCCESS) return;
  throw Error(fmt::format("{}: the picture cannot be drawn: {}", png.string(), cairo_status_to_string(status)));
}

std::vector<std::uint8_t> to_grey(std::span<const float> pixels, const Window& window) {
  std::vector<std::uint8_t> grey(pixels.size());
  const double span = window.high > window.low ? window.high - window.low : 1;
  std::transform(pixels.begin(), pixels.end(), grey.begin(), [&](float value) {
    const double part = (value - window.low) / span;
    return static_cast<std::uint8_t>(std::isnan(part) ? 0 : std::lround(std::clamp(part, 0.0, 1.0) * 255));
  });
  return grey;
}

Surface grey_surface(std::int64_t rows, std::int64_t columns, std::span<const std::uint8_t> grey) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(columns), static_cast<int>(rows)),
                  &cairo_surface_destroy);
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) return surface;
  cairo_surface_flush(surface.get());
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (std::int64_t row = 0; row < rows; ++row) {
    auto* line = reinterpret_cast<std::uint32_t*>(data + row * stride);
    for (std::int64_t column = 0; column < columns; ++column) line[column] = grey[row * columns + column] * 0x010101u;
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

}  // namespace

struct Canvas::State {
  std::filesystem::path png;
  double width, height;
  Surface surface;
  Context context;

  cairo_t* cairo() const { return context.get(); }

  void use(const Colour& colour) const {
    cairo_set_source_rgba(cairo(), colour.red, colour.green, colour.blue, colour.alpha);
  }

  void use(const Stroke& stroke) const {
    use(stroke.colour);
    cairo_set_line_width(cairo(), stroke.width);
    cairo_set_dash(cairo(), stroke.dashes.data(), static_cast<int>(stroke.dashes.size()), 0);
  }

  void use(const TextStyle& style) const {
    use(style.colour);
    cairo_select_font_face(cairo(), font, CAIRO_FONT_SLANT_NORMAL,
                           style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo(), style.size);
  }
};

Canvas::Canvas(std::filesystem::path png, double width, double height, double scale) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width * scale)),
                                             static_cast<int>(std::ceil(height * scale))),
                  &cairo_surface_destroy);
  check(cairo_surface_status(surface.get()), png);
  Context context(cairo_create(surface.get()), &cairo_destroy);
  check(cairo_status(context.get()), png);
  state_ = std::make_unique<State>(State{std::move(png), width, height, std::move(surface), std::move(context)});

  cairo_scale(state_->cairo(), scale, scale);
  cairo_set_line_join(state_->cairo(), CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_cap(state_->cairo(), CAIRO_LINE_CAP_BUTT);
  // Without hinting a text is as wide in the picture as the layout thought, at every scale.
  const std::unique_ptr<cairo_font_options_t, decltype(&cairo_font_options_destroy)> options(
      cairo_font_options_create(), &cairo_font_options_destroy);
  cairo_font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
  cairo_set_font_options(state_->cairo(), options.get());
  fill({0, 0, width + 1, height + 1}, paper);
}

Canvas::~Canvas() = default;

double Canvas::width() const { return state_->width; }
double Canvas::height() const { return state_->height; }

void Canvas::fill(std::span<const Box> boxes, Colour colour) {
  state_->use(colour);
  for (const Box& box : boxes) cairo_rectangle(state_->cairo(), box.x, box.y, box.width, box.height);
  cairo_fill(state_->cairo());
}

void Canvas::outline(const Box& box, const Stroke& stroke) {
  state_->use(stroke);
  cairo_rectangle(state_->cairo(), box.x, box.y, box.width, box.height);
  cairo_stroke(state_->cairo());
}

void Canvas::line(std::span<const Point> points, const Stroke& stroke) {
  state_->use(stroke);
  for (const Point& point : points) cairo_line_to(state_->cairo(), point.x, point.y);
  cairo_stroke(state_->cairo());
}

void Canvas::segments(std::span<const Segment> segments, const Stroke& stroke) {
  cairo_save(state_->cairo());
  state_->use(stroke);
  cairo_set_line_cap(state_->cairo(), CAIRO_LINE_CAP_ROUND);
  for (const auto& [from, to] : segments) {
    cairo_move_to(state_->cairo(), from.x, from.y);
    cairo_line_to(state_->cairo(), to.x, to.y);
  }
  cairo_stroke(state_->cairo());
  cairo_restore(state_->cairo());
}

void Canvas::dot(Point centre, double radius, Colour colour) {
  state_->use(colour);
  cairo_arc(state_->cairo(), centre.x, centre.y, radius, 0, 2 * std::numbers::pi);
  cairo_fill(state_->cairo());
}

void Canvas::grey(const Box& box, std::int64_t rows, std::int64_t columns, std::span<const float> pixels,
                  const Window& window) {
  const Surface image = grey_surface(rows, columns, to_grey(pixels, window));
  check(cairo_surface_status(image.get()), state_->png);
  cairo_save(state_->cairo());
  cairo_translate(state_->cairo(), box.x, box.y);
  cairo_scale(state_->cairo(), box.width / static_cast<double>(columns), box.height / static_cast<double>(rows));
  cairo_set_source_surface(state_->cairo(), image.get(), 0, 0);
  cairo_pattern_set_extend(cairo_get_source(state_->cairo()), CAIRO_EXTEND_PAD);
  cairo_pattern_set_filter(cairo_get_source(state_->cairo()), CAIRO_FILTER_GOOD);
  cairo_rectangle(state_->cairo(), 0, 0, static_cast<double>(columns), static_cast<double>(rows));
  cairo_fill(state_->cairo());
  cairo_restore(state_->cairo());
}

void Canvas::confine(const Box& box) {
  cairo_save(state_->cairo());
  cairo_rectangle(state_->cairo(), box.x, box.y, box.width, box.height);
  cairo_clip(state_->cairo());
}

void Canvas::release() { cairo_restore(state_->cairo()); }

void Canvas::text(Point at, std::string_view text, const TextStyle& style) {
  const double width = style.align == Align::left ? 0 : text_width(text, style);
  const double shift = style.align == Align::centre ? width / 2 : width;
  cairo_save(state_->cairo());
  cairo_translate(state_->cairo(), at.x, at.y);
  if (style.upwards) cairo_rotate(state_->cairo(), -std::numbers::pi / 2);
  cairo_move_to(state_->cairo(), -shift, 0);
  state_->use(style);
  cairo_show_text(state_->cairo(), clean(text).c_str());
  cairo_new_path(state_->cairo());  // the end of the text would be where the next line begins
  cairo_restore(state_->cairo());
}

double Canvas::text_width(std::string_view text, const TextStyle& style) const {
  state_->use(style);
  cairo_text_extents_t extents{};
  cairo_text_extents(state_->cairo(), clean(text).c_str(), &extents);
  return extents.x_advance;
}

std::string Canvas::shortened(std::string_view text, double width, const TextStyle& style) const {
  auto left = characters(text);
  std::string candidate = clean(text);
  while (!left.empty() && text_width(candidate, style) > width) {
    left.pop_back();
    candidate.clear();
    for (const auto& character : left) candidate += character;
    candidate += "…";
  }
  return candidate;
}

std::vector<std::string> Canvas::wrapped(std::string_view text, double width, const TextStyle& style) const {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const std::string longer = line.empty() ? std::string(word) : fmt::format("{} {}", line, word);
    if (!line.empty() && text_width(longer, style) > width) {
      lines.push_back(shortened(line, width, style));
      line = word;
    } else {
      line = longer;
    }
  }
  if (!line.empty()) lines.push_back(shortened(line, width, style));
  return lines;
}

void Canvas::save() const { write_file(state_->png, bytes()); }

std::string Canvas::bytes() const {
  check(cairo_status(state_->cairo()), state_->png);
  cairo_surface_flush(state_->surface.get());
  std::string bytes;
  const auto append = [](void* target, const unsigned char* data, unsigned int length) {
    try {
      static_cast<std::string*>(target)->append(reinterpret_cast<const char*>(data), length);
      return CAIRO_STATUS_SUCCESS;
    } catch (const std::exception&) {  // no exception may pass through Cairo's C code
      return CAIRO_STATUS_NO_MEMORY;
    }
  };
  check(cairo_surface_write_to_png_stream(state_->surface.get(), append, &bytes), state_->png);
  return bytes;
}

std::vector<std::string> caption_lines(const Canvas& canvas, std::string_view caption, double width) {
  const std::string text =
      caption.empty() ? std::string(research_use) : fmt::format("{}  ·  {}", caption, research_use);
  return canvas.wrapped(text, width, caption_style);
}

void draw_caption(Canvas& canvas, std::span<const std::string> lines, Point first_baseline) {
  for (const auto& line : lines) {
    canvas.text(first_baseline, line, caption_style);
    first_baseline.y += caption_line_height;
  }
}

}  // namespace pulmoseg::report
