#pragma once
// The slices of a mask on the grid of its image, one at a time where the file allows it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::prepare {

/// Receives canonical slice `index`: rows x columns labels of the image's grid, row-major.
using OnMaskSlice = std::function<void(std::int64_t index, std::span<const std::uint8_t> labels)>;

/// Hands out each slice of `mask` once, in any order. Rules and errors are those of volume::read_mask_on_grid(), which
/// is used where the grids differ; a mask on its image's own grid streams. Returns a note on what had to be done to the
/// mask, empty when nothing.
///
/// Error also for a value that is no whole number from 0 to 255: labels would be lost by rounding.
std::string visit_mask_slices(const std::filesystem::path& mask, const volume::SourceInfo& image,
                              const volume::Geometry& image_grid, const OnMaskSlice& on_slice);

}  // namespace pulmoseg::prepare
