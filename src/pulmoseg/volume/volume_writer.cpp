#include "pulmoseg/volume/volume_writer.hpp"

#include <fmt/format.h>

#include <string>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/nifti_geometry.hpp"
#include "pulmoseg/volume/nifti_header.hpp"
#include "pulmoseg/volume/nrrd_geometry.hpp"
#include "pulmoseg/volume/nrrd_header.hpp"
#include "pulmoseg/volume/output_bytes.hpp"
#include "pulmoseg/volume/stored_order.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

/// Writes the header and leaves `out` ready for the voxels.
void begin_file(OutputBytes& out, const fs::path& file, const SourceInfo& like, VoxelType type) {
  const std::string name = file.filename().string();
  const auto content = type == VoxelType::uint8 ? OutputBytes::Content::mask : OutputBytes::Content::any;
  if (name.ends_with(".nrrd")) {
    const std::string header = nrrd_header_text(like.nrrd ? *like.nrrd : nrrd_header_for(like), type);
    out.write(std::as_bytes(std::span(header)));
    out.start_gzip(content);
    return;
  }
  const bool gzipped = name.ends_with(".nii.gz");
  if (!gzipped && !name.ends_with(".nii")) {
    throw UsageError(fmt::format("{}: no format of this name, expected .nii.gz, .nii or .nrrd", file.string()));
  }
  if (gzipped) out.start_gzip(content);
  out.write(nifti_header_bytes(like.nifti ? *like.nifti : nifti_header_for(like), type));
}

}  // namespace

struct VolumeWriter::State {
  State(const fs::path& file, const SourceInfo& like, VoxelType type)
      : out(file),
        voxels(file.string(), like.stored_geometry, like.order, type,
               [this](std::span<const std::byte> bytes) { out.write(bytes); }) {
    begin_file(out, file, like, type);
  }

  OutputBytes out;
  StoredOrder voxels;
};

VolumeWriter::VolumeWriter(const fs::path& file, const SourceInfo& like, VoxelType type)
    : state_(std::make_unique<State>(file, like, type)) {}
VolumeWriter::VolumeWriter(VolumeWriter&&) noexcept = default;
VolumeWriter& VolumeWriter::operator=(VolumeWriter&&) noexcept = default;
VolumeWriter::~VolumeWriter() = default;

void VolumeWriter::write(std::int64_t index, std::span<const float> pixels) { state_->voxels.write(index, pixels); }
void VolumeWriter::write(std::int64_t index, std::span<const std::uint8_t> pixels) {
  state_->voxels.write(index, pixels);
}

void VolumeWriter::commit() {
  state_->voxels.finish();
  state_->out.commit();
}

}  // namespace pulmoseg::volume
