#include "pulmoseg/report/overlay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/report/canvas.hpp"
#include "pulmoseg/report/mask_shape.hpp"
#include "pulmoseg/report/tile.hpp"

namespace pulmoseg::report {
namespace {

constexpr double scale = 2, margin = 20, gap = 8, tile_label_height = 20, tile_target = 208;
constexpr TextStyle title_style{.size = 15, .bold = true};
constexpr TextStyle facts_style{.size = 11.5, .colour = ink};
constexpr TextStyle tile_style{.size = 10, .colour = faint_ink};
constexpr TextStyle side_style{.size = 9.5, .bold = true, .colour = paper, .align = Align::centre};
constexpr Colour lesion_colour = orange, lung_colour = sky;

std::int64_t columns_for(std::size_t tiles) {
  if (tiles <= 4) return std::max<std::int64_t>(static_cast<std::int64_t>(tiles), 1);
  if (tiles <= 6) return 3;
  if (tiles <= 12) return 4;
  return static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(tiles) * 4 / 3)));
}

void check(const GallerySlice& slice, const GallerySlice& first, const std::filesystem::path& png) {
  if (slice.rows != first.rows || slice.columns != first.columns) {
    throw Error(fmt::format("{}: slice {} has {} x {} pixels and slice {} has {} x {}; a montage shows one scan",
                            png.string(), first.index, first.columns, first.rows, slice.index, slice.columns,
                            slice.rows));
  }
  const auto expected = static_cast<std::size_t>(std::max<std::int64_t>(slice.rows * slice.columns, 0));
  if (expected > 0 && slice.pixels.size() == expected && slice.lesion.size() == expected &&
      (slice.lung.empty() || slice.lung.size() == expected)) {
    return;
  }
  throw Error(fmt::format("{}: slice {} has {} x {} pixels, but {} image, {} lesion and {} lung pixels were given",
                          png.string(), slice.index, slice.columns, slice.rows, slice.pixels.size(),
                          slice.lesion.size(), slice.lung.size()));
}

struct Layout {
  std::int64_t columns = 1;
  Part part;
  Point tile{};
  double width = 0, height = 0, top = 0, room = 0;
  std::vector<std::string> facts, caption;
};

Layout lay_out(const Montage& montage, const std::filesystem::path& png) {
  Layout layout;
  for (const auto& slice : montage.slices) check(slice, montage.slices.front(), png);
  if (!montage.slices.empty()) {
    layout.part = shown_part(montage.slices);
    const double aspect = static_cast<double>(layout.part.rows) * montage.spacing.row /
                          (static_cast<double>(layout.part.columns) * montage.spacing.column);
    layout.tile = aspect <= 1 ? Point{tile_target, tile_target * aspect} : Point{tile_target / aspect, tile_target};
  }
  layout.columns = columns_for(montage.slices.size());
  const double content = static_cast<double>(layout.columns) * (layout.tile.x + gap) - gap;
  layout.room = std::max(content, 420.0);
  layout.width = layout.room + 2 * margin;

  const Canvas ruler(png, layout.width, 1, scale);
  std::string facts;
  for (const auto& fact : montage.facts) facts += (facts.empty() ? "" : "   ·   ") + fact;
  layout.facts = ruler.wrapped(facts, layout.room, facts_style);
  layout.caption = caption_lines(ruler, montage.caption, layout.room);
  layout.top = margin + 22 + 17 * static_cast<double>(layout.facts.size()) + 24;
  const auto lines =
      static_cast<double>((static_cast<std::int64_t>(montage.slices.size()) + layout.columns - 1) / layout.columns);
  layout.height = layout.top + lines * (layout.tile.y + tile_label_height + gap) + 14 +
                  caption_line_height * static_cast<double>(layout.caption.size()) + margin / 2;
  return layout;
}

void outline_mask(Canvas& canvas, const GallerySlice& slice, const std::vector<std::uint8_t>& mask, const Box& box,
                  Colour colour, double width) {
  const auto outline = mask_outline(mask, slice.rows, slice.columns, box);
  canvas.segments(outline,
                  {{0, 0, 0, 0.45}, width + 0.9, {}});  // a dark edge keeps the colour visible on bright tissue
  canvas.segments(outline, {colour, width, {}});
}

/// Readable on air and on bone.
void draw_side(Canvas& canvas, std::string_view letter, double x, double y) {
  canvas.fill({x - 6, y - 7, 12, 14}, colour(0x000000, 0.5));
  canvas.text({x, y + 3.5}, letter, side_style);
}

/// Where the whole slice lies when `part` of it fills `box`.
Box whole_slice(const GallerySlice& slice, const Part& part, const Box& box) {
  const double across = box.width / static_cast<double>(part.columns),
               down = box.height / static_cast<double>(part.rows);
  return {box.x - static_cast<double>(part.column) * across, box.y - static_cast<double>(part.row) * down,
          static_cast<double>(slice.columns) * across, static_cast<double>(slice.rows) * down};
}

void draw_tile(Canvas& canvas, const Montage& montage, const GallerySlice& slice, const Part& part, const Box& box,
               const Window& window) {
  canvas.confine(box);
  canvas.fill(box, colour(0x000000));
  const Box whole = whole_slice(slice, part, box);
  canvas.grey(whole, slice.rows, slice.columns, slice.pixels, window);
  if (!slice.lung.empty()) outline_mask(canvas, slice, slice.lung, whole, lung_colour, 0.8);
  outline_mask(canvas, slice, slice.lesion, whole, lesion_colour, 1.1);
  canvas.release();
  if (montage.orientation_known) {
    draw_side(canvas, "R", box.x + 9, box.y + box.height / 2);
    draw_side(canvas, "L", box.right() - 9, box.y + box.height / 2);
  }
  canvas.text({box.x, box.bottom() + 13}, fmt::format("slice {}", slice.index), tile_style);
  TextStyle style = tile_style;
  style.align = Align::right;
  style.colour = ink;
  canvas.text({box.right(), box.bottom() + 13}, extent(slice, montage.pixel_area_mm2), style);
}

void draw_header(Canvas& canvas, const Montage& montage, const Layout& layout) {
  canvas.text({margin, margin + 13}, canvas.shortened(montage.title, layout.room, title_style), title_style);
  double y = margin + 34;
  for (const auto& line : layout.facts) {
    canvas.text({margin, y}, line, facts_style);
    y += 17;
  }
  const bool lung =
      std::any_of(montage.slices.begin(), montage.slices.end(), [](const auto& slice) { return !slice.lung.empty(); });
  double x = margin;
  const auto entry = [&](Colour colour, std::string_view text) {
    canvas.line({x, y - 1}, {x + 18, y - 1}, {colour, 2.2, {}});
    canvas.text({x + 23, y + 3}, text, tile_style);
    x += 23 + canvas.text_width(text, tile_style) + 18;
  };
  entry(lesion_colour, "lesion");
  if (lung) entry(lung_colour, "lung");
}

}  // namespace

std::string montage_png(const Montage& montage, const std::filesystem::path& png) {
  const Layout layout = lay_out(montage, png);
  Canvas canvas(png, layout.width, layout.height, scale);
  draw_header(canvas, montage, layout);
  const Window window = montage.window ? *montage.window : common_window(montage.slices);
  for (std::size_t i = 0; i < montage.slices.size(); ++i) {
    const auto column = static_cast<double>(static_cast<std::int64_t>(i) % layout.columns);
    const auto line = static_cast<double>(static_cast<std::int64_t>(i) / layout.columns);
    const Box box{margin + column * (layout.tile.x + gap),
                  layout.top + line * (layout.tile.y + tile_label_height + gap), layout.tile.x, layout.tile.y};
    draw_tile(canvas, montage, montage.slices[i], layout.part, box, window);
  }
  draw_caption(
      canvas, layout.caption,
      {margin, layout.height - margin / 2 - caption_line_height * static_cast<double>(layout.caption.size()) + 6});
  return canvas.bytes();
}

void draw_montage(const Montage& montage, const std::filesystem::path& png) {
  write_file(png, montage_png(montage, png));
}

}  // namespace pulmoseg::report
