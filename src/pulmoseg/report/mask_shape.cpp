#include "pulmoseg/report/mask_shape.hpp"

#include <array>

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

}  // namespace pulmoseg::report
