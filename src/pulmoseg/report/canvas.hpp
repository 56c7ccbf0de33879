#pragma once
// The sheet that charts, panels and montages are drawn on (inside of report/ only). It hides Cairo: lengths are points
// with the origin at the top left, `scale` pixels each.
//
// Errors: Error naming the file, also when memory for the picture is not to be had.

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/report/image.hpp"

namespace pulmoseg::report {

struct Colour {
  double red, green, blue, alpha = 1;
};

/// 0xRRGGBB as in a style guide.
constexpr Colour colour(std::uint32_t hex, double alpha = 1) {
  return {(hex >> 16 & 0xff) / 255.0, (hex >> 8 & 0xff) / 255.0, (hex & 0xff) / 255.0, alpha};
}

inline constexpr Colour ink = colour(0x1b2631), faint_ink = colour(0x5d6b7a), rule = colour(0xdfe4ea),
                        paper = colour(0xffffff);

/// Okabe & Ito, Color Universal Design (2008).
inline constexpr Colour blue = colour(0x0072b2), vermillion = colour(0xd55e00), green = colour(0x009e73),
                        purple = colour(0xcc79a7), orange = colour(0xe69f00), sky = colour(0x56b4e9),
                        yellow = colour(0xf0e442);

struct Point {
  double x, y;
};

struct Box {
  double x, y, width, height;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

using Segment = std::array<Point, 2>;

struct Stroke {
  Colour colour;
  double width = 1;
  std::vector<double> dashes;
};

enum class Align { left, centre, right };

struct TextStyle {
  double size = 11;
  bool bold = false;
  Colour colour = ink;
  Align align = Align::left;
  bool upwards = false;  ///< turned a quarter to the left, for the label of a y axis
};

class Canvas {
 public:
  Canvas(std::filesystem::path png, double width, double height, double scale);
  ~Canvas();
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  double width() const;
  double height() const;

  void fill(std::span<const Box> boxes, Colour colour);  ///< as one shape: no seams between boxes that touch
  void fill(const Box& box, Colour colour) { fill({&box, 1}, colour); }
  void outline(const Box& box, const Stroke& stroke);
  void line(std::span<const Point> points, const Stroke& stroke);
  void line(Point from, Point to, const Stroke& stroke) { line(std::array{from, to}, stroke); }
  void segments(std::span<const Segment> segments, const Stroke& stroke);
  void dot(Point centre, double radius, Colour colour);

  /// Grey values, rows·columns, smoothly enlarged or reduced into `box`.
  void grey(const Box& box, std::int64_t rows, std::int64_t columns, std::span<const float> pixels,
            const Window& window);

  /// Between the two, drawing is confined to `box`.
  void confine(const Box& box);
  void release();

  /// `at` lies on the baseline. Bytes that are no UTF-8 are drawn as question marks.
  void text(Point at, std::string_view text, const TextStyle& style);
  double text_width(std::string_view text, const TextStyle& style) const;
  /// The text, or its beginning with "…", so that it is no wider than `width`.
  std::string shortened(std::string_view text, double width, const TextStyle& style) const;
  /// The text in lines no wider than `width`, broken at spaces.
  std::vector<std::string> wrapped(std::string_view text, double width, const TextStyle& style) const;

  /// Writes the file, whole or not at all.
  void save() const;
  std::string bytes() const;  ///< of that file

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The last lines of a picture: the caption and research_use.
inline constexpr TextStyle caption_style{.size = 8.5, .colour = faint_ink};
inline constexpr double caption_line_height = 12;
std::vector<std::string> caption_lines(const Canvas& canvas, std::string_view caption, double width);
void draw_caption(Canvas& canvas, std::span<const std::string> lines, Point first_baseline);

}  // namespace pulmoseg::report
