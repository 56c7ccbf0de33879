#include "pulmoseg/volume/volume.hpp"

#include <algorithm>
#include <utility>

namespace pulmoseg::volume {
namespace {

std::size_t slice_voxels(const Geometry& geometry) {
  return static_cast<std::size_t>(geometry.size[0] * geometry.size[1]);
}

}  // namespace

std::span<const float> Volume::slice(std::int64_t k) const {
  const std::size_t count = slice_voxels(geometry);
  return std::span(voxels).subspan(static_cast<std::size_t>(k) * count, count);
}

std::span<float> Volume::slice(std::int64_t k) {
  const std::size_t count = slice_voxels(geometry);
  return std::span(voxels).subspan(static_cast<std::size_t>(k) * count, count);
}

Volume read_volume(const std::filesystem::path& file_or_dicom_folder) {
  return read_volume(VolumeReader::open(file_or_dicom_folder));
}

Volume read_volume(VolumeReader&& reader) {
  VolumeReader from = std::move(reader);
  Volume volume{.geometry = from.geometry(), .voxels = {}};
  volume.voxels.resize(slice_voxels(volume.geometry) * static_cast<std::size_t>(volume.geometry.size[2]));
  AxialSlice slice;
  while (from.next(slice)) std::copy(slice.pixels.begin(), slice.pixels.end(), volume.slice(slice.index).begin());
  return volume;
}

}  // namespace pulmoseg::volume
