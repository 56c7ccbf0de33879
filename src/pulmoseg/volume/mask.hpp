#pragma once
// Masks (label images) brought onto the grid of their image.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/volume/segment.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::volume {

/// The file of a mask that is called FILE#NAME (VolumeReader::open_mask).
std::filesystem::path mask_file(const std::filesystem::path& mask);

/// What had to be done to a mask to bring it onto its image's grid.
enum class MaskFit { same_grid, voxel_by_voxel, resampled };

/// How a mask came onto its image's grid, and what the reader of a result must know.
struct MaskReading {
  MaskFit fit = MaskFit::same_grid;
  std::vector<Note> notes = {};  ///< "several_labels"
};

/// What visit_mask_on_grid() will have to do, as far as the headers tell. Error when they tell that it cannot be done.
MaskFit fit_of_mask(const std::filesystem::path& mask, MaskKind kind, const SourceInfo& image,
                    const Geometry& image_grid);

/// Receives canonical slice `index`: rows x columns labels on the image's grid, row-major.
using OnMaskSlice = std::function<void(std::int64_t index, std::span<const std::uint8_t> labels)>;

/// Hands out each slice of a mask (VolumeReader::open_mask) once, in any order, on `image_grid`, the image's canonical grid
/// (VolumeReader::geometry()):
/// - on the same grid (same_grid; the stored axis order does not matter), or of the same stored size where neither header
///   declares a position: as it is;
/// - of the same stored size, where one of the two headers declares no position: voxel by voxel, with a warning in the log;
/// - where both headers declare a position and no labelled voxel lies outside of the image: resampled, with a note in the
///   log. Each voxel takes the label of the mask voxel in which its centre lies (index floor(x + 1/2)); outside is 0;
/// - otherwise: Error that names both geometries.
/// One slice is held at a time; of a mask that needs resampling, one byte a voxel. Error also for a value that is no label
/// (see labels_of).
MaskReading visit_mask_on_grid(const std::filesystem::path& mask, MaskKind kind, const SourceInfo& image,
                               const Geometry& image_grid, const OnMaskSlice& on_slice);

/// The same as one array: slices x rows x columns.
std::vector<std::uint8_t> read_mask_on_grid(const std::filesystem::path& mask, MaskKind kind, const SourceInfo& image,
                                            const Geometry& image_grid);

/// The pixels of a slice of a mask as labels. Error, naming `mask`, for a value that is no whole number from 0 to 255
/// (but for a rounding, label.hpp): a scan or a map of probabilities was taken for a mask.
void labels_of(const AxialSlice& slice, const std::filesystem::path& mask, std::span<std::uint8_t> labels);

}  // namespace pulmoseg::volume
