#include "pulmoseg/prepare/mask_slices.hpp"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::prepare {
namespace {

void to_labels(std::span<const float> values, std::vector<std::uint8_t>& labels, const std::filesystem::path& mask,
               std::int64_t index) {
  labels.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    if (!(value >= 0 && value <= 255 && value == std::floor(value))) {
      throw Error(fmt::format("{}: slice {} holds the value {}, expected labels that are whole numbers from 0 to 255",
                              mask.string(), index, value));
    }
    labels[i] = static_cast<std::uint8_t>(value);
  }
}

void stream(volume::VolumeReader& reader, const std::filesystem::path& mask, const OnMaskSlice& on_slice) {
  volume::AxialSlice slice;
  std::vector<std::uint8_t> labels;
  while (reader.next(slice)) {
    to_labels(slice.pixels, labels, mask, slice.index);
    on_slice(slice.index, labels);
  }
}

}  // namespace

std::string visit_mask_slices(const std::filesystem::path& mask, const volume::SourceInfo& image,
                              const volume::Geometry& image_grid, const OnMaskSlice& on_slice) {
  auto reader = volume::VolumeReader::open(mask);
  const bool placed = reader.source().has_geometry && image.has_geometry;
  if (placed && volume::same_grid(reader.geometry(), image_grid)) {
    stream(reader, mask, on_slice);
    return {};
  }
  if (!placed && reader.source().stored_geometry.size == image.stored_geometry.size) {
    const bool both_unplaced = reader.source().has_geometry == image.has_geometry;
    reader = volume::VolumeReader::open_on_grid_of(image, mask);
    stream(reader, mask, on_slice);
    return both_unplaced ? "" : "taken voxel by voxel, because only one of the two headers declares a position";
  }
  const auto whole = volume::read_mask_on_grid(mask, image, image_grid);
  std::vector<std::uint8_t> labels;
  for (std::int64_t k = 0; k < image_grid.size[2]; ++k) {
    to_labels(whole.slice(k), labels, mask, k);
    on_slice(k, labels);
  }
  return "resampled onto the image's grid";
}

}  // namespace pulmoseg::prepare
