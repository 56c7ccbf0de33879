#include "pulmoseg/volume/mask.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/label.hpp"
#include "pulmoseg/volume/segment_choice.hpp"

namespace pulmoseg::volume {
namespace {

/// The index of one grid as a function of the index of another: start + i*step[0] + j*step[1] + k*step[2].
struct IndexMap {
  IndexMap(const Geometry& from, const Geometry& to) {
    const auto image_of = [&](const Vector3& index) { return point_to_index(to, index_to_point(from, index)); };
    start = image_of({0, 0, 0});
    for (std::size_t c = 0; c < 3; ++c) {
      Vector3 unit{};
      unit[c] = 1;
      step[c] = image_of(unit);
      for (std::size_t r = 0; r < 3; ++r) step[c][r] -= start[r];
    }
  }

  /// The voxel in which the point lies.
  std::array<std::int64_t, 3> nearest(std::int64_t i, std::int64_t j, std::int64_t k) const {
    std::array<std::int64_t, 3> voxel;
    for (std::size_t r = 0; r < 3; ++r) {
      const double x = start[r] + static_cast<double>(i) * step[0][r] + static_cast<double>(j) * step[1][r] +
                       static_cast<double>(k) * step[2][r];
      // A point on the border between two voxels falls to the upper one in spite of rounding errors.
      voxel[r] = static_cast<std::int64_t>(std::floor(x + 0.5 + 1e-6));
    }
    return voxel;
  }

  Vector3 start;
  std::array<Vector3, 3> step;
};

bool inside(const std::array<std::int64_t, 3>& voxel, const std::array<std::int64_t, 3>& size) {
  for (std::size_t c = 0; c < 3; ++c) {
    if (voxel[c] < 0 || voxel[c] >= size[c]) return false;
  }
  return true;
}

std::size_t offset(const std::array<std::int64_t, 3>& voxel, const std::array<std::int64_t, 3>& size) {
  return static_cast<std::size_t>((voxel[2] * size[1] + voxel[1]) * size[0] + voxel[0]);
}

/// Slice `k` of `grid` out of a mask of `mask_size` voxels. `map` leads from the grid to the mask.
void resample_slice(std::span<const std::uint8_t> mask, const std::array<std::int64_t, 3>& mask_size,
                    const IndexMap& map, const Geometry& grid, std::int64_t k, std::span<std::uint8_t> slice) {
  std::size_t at = 0;
  for (std::int64_t j = 0; j < grid.size[1]; ++j) {
    for (std::int64_t i = 0; i < grid.size[0]; ++i) {
      const auto voxel = map.nearest(i, j, k);
      slice[at++] = inside(voxel, mask_size) ? mask[offset(voxel, mask_size)] : std::uint8_t{0};
    }
  }
}

bool labels_lie_inside(std::span<const std::uint8_t> mask, const Geometry& mask_grid, const Geometry& image_grid) {
  const IndexMap map(mask_grid, image_grid);
  std::size_t at = 0;
  for (std::int64_t k = 0; k < mask_grid.size[2]; ++k) {
    for (std::int64_t j = 0; j < mask_grid.size[1]; ++j) {
      for (std::int64_t i = 0; i < mask_grid.size[0]; ++i) {
        if (mask[at++] != 0 && !inside(map.nearest(i, j, k), image_grid.size)) return false;
      }
    }
  }
  return true;
}

[[noreturn]] void refuse(const SourceInfo& mask, const SourceInfo& image, std::string_view reason) {
  throw Error(
      fmt::format("{}: is {} and cannot be brought onto the grid of {} ({}): {}; resample the mask onto its image",
                  mask.file.string(), describe(mask.stored_geometry), image.file.string(),
                  describe(image.stored_geometry), reason));
}

struct FittedMask {
  VolumeReader reader;  ///< on the image's grid already, unless `fit` says resampled
  MaskFit fit;
};

FittedMask open_fitted(const std::filesystem::path& file, MaskKind kind, const SourceInfo& image,
                       const Geometry& image_grid) {
  VolumeReader reader = VolumeReader::open_mask(file, kind, &image);
  const SourceInfo& source = reader.source();
  if (source.has_geometry && image.has_geometry) {
    const bool same = same_grid(reader.geometry(), image_grid);
    return {std::move(reader), same ? MaskFit::same_grid : MaskFit::resampled};
  }
  if (source.stored_geometry.size != image.stored_geometry.size) {
    refuse(source, image, "the sizes differ and a header declares no position in the patient");
  }
  const bool alike = source.has_geometry == image.has_geometry;
  return {VolumeReader::open_on_grid_of(image, std::move(reader)),
          alike ? MaskFit::same_grid : MaskFit::voxel_by_voxel};
}

/// A mask that is not on its image's grid may be resampled, unless that loses a label.
void allow_resampling(std::span<const std::uint8_t> mask, const VolumeReader& reader, const SourceInfo& image,
                      const Geometry& image_grid) {
  if (!labels_lie_inside(mask, reader.geometry(), image_grid)) {
    refuse(reader.source(), image, "labelled voxels lie outside of the image");
  }
  spdlog::info("{}: resampled from {} onto {}", reader.source().file.string(), describe(reader.geometry()),
               describe(image_grid));
}

using LabelsSeen = std::array<bool, 256>;

/// Which labels stand for the mask together: by name where the file has names, else by number.
std::vector<Note> notes_on(const SourceInfo& mask, MaskKind kind, const LabelsSeen& seen) {
  std::vector<Note> notes;
  std::ranges::copy_if(mask.notes, std::back_inserter(notes),
                       [](const Note& note) { return note.code == several_labels; });
  std::vector<int> labels;
  for (int label = 1; label < 256; ++label) {
    if (seen[static_cast<std::size_t>(label)]) labels.push_back(label);
  }
  if (notes.empty() && labels.size() > 1) {
    constexpr std::ptrdiff_t most = 12;
    const bool cut = std::ssize(labels) > most;
    notes.push_back(
        {several_labels,
         fmt::format("the {} mask is {} labels of its file together: {}{}; FILE#NUMBER takes one of them",
                     kind == MaskKind::lung ? "lung" : "lesion", labels.size(),
                     fmt::join(labels.begin(), cut ? labels.begin() + most : labels.end(), ", "), cut ? " …" : "")});
  }
  return notes;
}

}  // namespace

std::filesystem::path mask_file(const std::filesystem::path& mask) { return split_mask_name(mask).file; }

void labels_of(const AxialSlice& slice, const std::filesystem::path& mask, std::span<std::uint8_t> labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = label_in(slice.pixels[i]);
    if (!label || *label > 255) {
      throw Error(
          fmt::format("{}: slice {} holds the value {}, expected labels that are whole numbers from 0 to 255; give a "
                      "mask, not a scan or a probability map",
                      mask.string(), slice.index, slice.pixels[i]));
    }
    labels[i] = static_cast<std::uint8_t>(*label);
  }
}

MaskFit fit_of_mask(const std::filesystem::path& mask, MaskKind kind, const SourceInfo& image,
                    const Geometry& image_grid) {
  return open_fitted(mask, kind, image, image_grid).fit;
}

MaskReading visit_mask_on_grid(const std::filesystem::path& file, MaskKind kind, const SourceInfo& image,
                               const Geometry& image_grid, const OnMaskSlice& on_slice) {
  auto [reader, fit] = open_fitted(file, kind, image, image_grid);
  if (fit == MaskFit::voxel_by_voxel) {
    spdlog::warn(
        "{}: taken voxel by voxel onto {}, because only one of the two headers declares a position in the patient",
        file.string(), image.file.string());
  }
  const Geometry grid = reader.geometry();
  const auto pixels = static_cast<std::size_t>(grid.size[0] * grid.size[1]);
  // Of a mask that needs resampling any voxel may be asked for, of any other only the slice at hand.
  std::vector<std::uint8_t> labels(fit == MaskFit::resampled ? pixels * static_cast<std::size_t>(grid.size[2])
                                                             : pixels);
  LabelsSeen seen{};
  AxialSlice slice;
  while (reader.next(slice)) {
    const std::size_t first = fit == MaskFit::resampled ? static_cast<std::size_t>(slice.index) * pixels : 0;
    const auto here = std::span(labels).subspan(first, pixels);
    labels_of(slice, file, here);
    for (const std::uint8_t label : here) seen[label] = true;
    if (fit != MaskFit::resampled) on_slice(slice.index, labels);
  }
  MaskReading reading{.fit = fit, .notes = notes_on(reader.source(), kind, seen)};
  if (fit != MaskFit::resampled) return reading;

  allow_resampling(labels, reader, image, image_grid);
  const IndexMap map(image_grid, grid);
  std::vector<std::uint8_t> resampled(static_cast<std::size_t>(image_grid.size[0] * image_grid.size[1]));
  for (std::int64_t k = 0; k < image_grid.size[2]; ++k) {
    resample_slice(labels, grid.size, map, image_grid, k, resampled);
    on_slice(k, resampled);
  }
  return reading;
}

std::vector<std::uint8_t> read_mask_on_grid(const std::filesystem::path& file, MaskKind kind, const SourceInfo& image,
                                            const Geometry& image_grid) {
  const auto [columns, rows, slices] = image_grid.size;
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(columns * rows * slices));
  visit_mask_on_grid(file, kind, image, image_grid, [&](std::int64_t index, std::span<const std::uint8_t> slice) {
    std::ranges::copy(slice, labels.begin() + index * columns * rows);
  });
  return labels;
}

}  // namespace pulmoseg::volume
