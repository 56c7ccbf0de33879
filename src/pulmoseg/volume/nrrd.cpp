#include "pulmoseg/volume/nrrd.hpp"

#include "pulmoseg/volume/axes.hpp"
#include "pulmoseg/volume/nrrd_geometry.hpp"
#include "pulmoseg/volume/nrrd_header.hpp"
#include "pulmoseg/volume/packed_voxels.hpp"

namespace pulmoseg::volume {

OpenedImage open_nrrd(const std::filesystem::path& file) { return open_nrrd(file, read_nrrd_header(file), 1); }

OpenedImage open_nrrd(const std::filesystem::path& file, const NrrdFileHeader& header, std::uint64_t layers) {
  const NrrdPlace place = nrrd_place(header.placing, file);
  SourceInfo source{.file = file,
                    .format = "NRRD",
                    .voxel_type = header.type,
                    .slope = 1,
                    .intercept = 0,
                    .dimensions = place.dimensions,
                    .stored_geometry = place.geometry,
                    .order = canonical_order(place.geometry),
                    .has_geometry = place.has_geometry,
                    .nifti = {},
                    .nrrd = header.placing,
                    .frames = {},
                    .attributes = header.attributes,
                    .notes = {}};
  const std::uint64_t needed = voxel_bytes(place.geometry.size, size_of(header.type) * layers, file);
  std::uint64_t offset = header.data_offset;
  std::uint64_t skip = static_cast<std::uint64_t>(std::max<std::int64_t>(header.byte_skip, 0));
  if (header.byte_skip < 0) {
    const std::uint64_t length = std::filesystem::file_size(header.data_file);
    if (length > needed) offset = std::max(offset, length - needed);
  }
  InputBytes bytes(header.data_file, offset, header.gzipped ? InputBytes::Packing::gzip : InputBytes::Packing::none);
  bytes.require(needed);
  return {std::move(source), std::make_unique<PackedVoxels>(std::move(bytes), skip, header.type, header.swapped)};
}

}  // namespace pulmoseg::volume
