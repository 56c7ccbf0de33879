#pragma once
// The shape of a mask for drawing (inside of report/ only): its pixels as boxes, its outline as lines.
//
// Pure functions; safe from any thread. A mask is rows·columns, not zero = inside, drawn into `place`.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/report/canvas.hpp"

namespace pulmoseg::report {

/// One box for each run of inside pixels in a row: filled together they show the mask with its exact pixel edges.
std::vector<Box> mask_boxes(std::span<const std::uint8_t> mask, std::int64_t rows, std::int64_t columns,
                            const Box& place);

/// The pixel edges between inside and outside (the border of the picture counts as outside).
std::vector<Segment> mask_edges(std::span<const std::uint8_t> mask, std::int64_t rows, std::int64_t columns,
                                const Box& place);

/// The outline through the middles of those edges, corners cut (marching squares at one half; Lorensen & Cline 1987 in
/// two dimensions): smoother than the pixels, never further than half a pixel from them.
std::vector<Segment> mask_outline(std::span<const std::uint8_t> mask, std::int64_t rows, std::int64_t columns,
                                  const Box& place);

/// The same outline as closed lines, for the `d` of an SVG <path>, in half pixels from the top left corner. Filled by the
/// even-odd rule they are the mask. Empty for an empty mask.
std::string outline_path(std::span<const std::uint8_t> mask, std::int64_t rows, std::int64_t columns);

}  // namespace pulmoseg::report
