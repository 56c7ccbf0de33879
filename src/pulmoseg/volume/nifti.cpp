#include "pulmoseg/volume/nifti.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/axes.hpp"
#include "pulmoseg/volume/input_bytes.hpp"
#include "pulmoseg/volume/nifti_geometry.hpp"
#include "pulmoseg/volume/nifti_header.hpp"
#include "pulmoseg/volume/packed_voxels.hpp"

namespace pulmoseg::volume {

OpenedImage open_nifti(const std::filesystem::path& file, std::span<const std::byte> first_bytes) {
  const NiftiFileHeader header = parse_nifti_header(first_bytes, file);
  const NiftiPlace place = nifti_place(header.placing, file);
  SourceInfo source{.file = file,
                    .format = fmt::format("NIfTI-{}", header.placing.version),
                    .voxel_type = header.type,
                    .slope = header.slope,
                    .intercept = header.intercept,
                    .dimensions = place.dimensions,
                    .stored_geometry = place.geometry,
                    .order = canonical_order(place.geometry),
                    .has_geometry = place.has_geometry,
                    .nifti = header.placing,
                    .nrrd = {},
                    .frames = {},
                    .attributes = {},
                    .notes = {}};
  if (!header.placing.descrip.empty()) source.attributes["descrip"] = header.placing.descrip;
  InputBytes bytes(file, 0, InputBytes::Packing::by_content);
  bytes.require(header.voxel_offset + voxel_bytes(place.geometry.size, size_of(header.type), file));
  return {std::move(source),
          std::make_unique<PackedVoxels>(std::move(bytes), header.voxel_offset, header.type, header.swapped)};
}

}  // namespace pulmoseg::volume
