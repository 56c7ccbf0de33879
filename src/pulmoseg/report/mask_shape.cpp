#include "pulmoseg/report/mask_shape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <unordered_map>

namespace pulmoseg::report {
namespace {

struct Mask {
  std::span<const std::uint8_t> pixels;
  std::int64_t rows, columns;
  Box place;

  bool inside(std::int64_t row, std::int64_t column) const {
    return row >= 0 && row < rows && column >= 0 && column < columns && pixels[row * columns + column] != 0;
  }
  /// The corner of pixels at (row, column), which may be fractional.
  Point at(double row, double column) const {
    return {place.x + column * place.width / static_cast<double>(columns),
            place.y + row * place.height / static_cast<double>(rows)};
  }
};

}  // namespace

std::vector<Box> mask_boxes(std::span<const std::uint8_t> pixels, std::int64_t rows, std::int64_t columns,
                            const Box& place) {
  const Mask mask{pixels, rows, columns, place};
  std::vector<Box> boxes;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      if (!mask.inside(row, column)) continue;
      const std::int64_t first = column;
      while (mask.inside(row, column)) ++column;
      const Point from = mask.at(static_cast<double>(row), static_cast<double>(first));
      const Point to = mask.at(static_cast<double>(row + 1), static_cast<double>(column));
      boxes.push_back({from.x, from.y, to.x - from.x, to.y - from.y});
    }
  }
  return boxes;
}

std::vector<Segment> mask_edges(std::span<const std::uint8_t> pixels, std::int64_t rows, std::int64_t columns,
                                const Box& place) {
  const Mask mask{pixels, rows, columns, place};
  std::vector<Segment> edges;
  for (std::int64_t row = 0; row <= rows; ++row) {
    for (std::int64_t column = 0; column <= columns; ++column) {
      const auto y = static_cast<double>(row), x = static_cast<double>(column);
      const bool here = mask.inside(row, column);
      if (here != mask.inside(row - 1, column)) edges.push_back({mask.at(y, x), mask.at(y, x + 1)});
      if (here != mask.inside(row, column - 1)) edges.push_back({mask.at(y, x), mask.at(y + 1, x)});
    }
  }
  return edges;
}

std::vector<Segment> mask_outline(std::span<const std::uint8_t> pixels, std::int64_t rows, std::int64_t columns,
                                  const Box& place) {
  const Mask mask{pixels, rows, columns, place};
  std::vector<Segment> outline;
  // Each square has its corners in the centres of four pixels; a line joins the sides on which the mask changes.
  for (std::int64_t row = -1; row < rows; ++row) {
    for (std::int64_t column = -1; column < columns; ++column) {
      const bool nw = mask.inside(row, column), ne = mask.inside(row, column + 1);
      const bool sw = mask.inside(row + 1, column), se = mask.inside(row + 1, column + 1);
      if (nw == ne && nw == sw && nw == se) continue;
      const auto y = static_cast<double>(row) + 0.5, x = static_cast<double>(column) + 0.5;
      const Point north = mask.at(y, x + 0.5), south = mask.at(y + 1, x + 0.5);
      const Point west = mask.at(y + 0.5, x), east = mask.at(y + 0.5, x + 1);
      if (nw == se && ne == sw) {  // a saddle: the inside pixels touch at a corner only and are kept apart
        outline.push_back(nw ? Segment{north, west} : Segment{north, east});
        outline.push_back(nw ? Segment{south, east} : Segment{south, west});
        continue;
      }
      std::array<Point, 2> ends{};
      std::size_t found = 0;
      if (nw != ne) ends[found++] = north;
      if (ne != se) ends[found++] = east;
      if (sw != se) ends[found++] = south;
      if (nw != sw) ends[found++] = west;
      outline.push_back(ends);
    }
  }
  return outline;
}

namespace {

/// A corner of the outline, in half pixels.
struct Corner {
  std::int64_t x, y;
  bool operator==(const Corner&) const = default;
};

/// Every corner belongs to two lines of the outline, for the border of the picture counts as outside: the corners at their
/// other ends.
class Neighbours {
 public:
  Neighbours(const std::vector<Segment>& outline, std::int64_t columns) : width_(2 * columns + 1) {
    for (const auto& [from, to] : outline) {
      const Corner a = corner(from), b = corner(to);
      link(a, b);
      link(b, a);
    }
  }

  static Corner corner(const Point& point) { return {std::llround(point.x), std::llround(point.y)}; }

  /// One that was not followed yet, which is then marked as followed.
  bool follow(Corner& from) {
    auto& ends = ends_.at(key(from));
    if (ends.empty()) return false;
    const Corner to = ends.back();
    ends.pop_back();
    auto& back = ends_.at(key(to));
    back.erase(std::ranges::find(back, from));
    from = to;
    return true;
  }

 private:
  std::int64_t key(const Corner& at) const { return at.y * width_ + at.x; }
  void link(const Corner& from, const Corner& to) { ends_[key(from)].push_back(to); }

  std::int64_t width_;
  std::unordered_map<std::int64_t, std::vector<Corner>> ends_;
};

/// Corners on a straight line are left out.
void append_loop(std::string& path, const std::vector<Corner>& loop) {
  fmt::format_to(std::back_inserter(path), "M{} {}", loop.front().x, loop.front().y);
  Corner last = loop.front();
  for (std::size_t i = 1; i < loop.size(); ++i) {
    if (i + 1 < loop.size() && loop[i].x - loop[i - 1].x == loop[i + 1].x - loop[i].x &&
        loop[i].y - loop[i - 1].y == loop[i + 1].y - loop[i].y)
      continue;
    fmt::format_to(std::back_inserter(path), "l{} {}", loop[i].x - last.x, loop[i].y - last.y);
    last = loop[i];
  }
  path += 'z';
}

}  // namespace

std::string outline_path(std::span<const std::uint8_t> mask, std::int64_t rows, std::int64_t columns) {
  const auto outline =
      mask_outline(mask, rows, columns, {0, 0, 2 * static_cast<double>(columns), 2 * static_cast<double>(rows)});
  Neighbours neighbours(outline, columns);
  std::string path;
  for (const auto& segment : outline) {
    Corner at = Neighbours::corner(segment[0]);
    std::vector<Corner> loop{at};
    while (neighbours.follow(at)) loop.push_back(at);
    if (loop.size() > 1) append_loop(path, loop);
  }
  return path;
}

}  // namespace pulmoseg::report
