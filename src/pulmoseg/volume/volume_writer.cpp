#include "pulmoseg/volume/volume_writer.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/nifti_geometry.hpp"
#include "pulmoseg/volume/nifti_header.hpp"
#include "pulmoseg/volume/nrrd_geometry.hpp"
#include "pulmoseg/volume/nrrd_header.hpp"
#include "pulmoseg/volume/output_bytes.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

/// Writes the header and leaves `out` ready for the voxels.
void begin_file(OutputBytes& out, const fs::path& file, const SourceInfo& like, VoxelType type) {
  const std::string name = file.filename().string();
  if (name.ends_with(".nrrd")) {
    const std::string header = nrrd_header_text(like.nrrd ? *like.nrrd : nrrd_header_for(like), type);
    out.write(std::as_bytes(std::span(header)));
    out.start_gzip();
    return;
  }
  const bool gzipped = name.ends_with(".nii.gz");
  if (!gzipped && !name.ends_with(".nii")) {
    throw UsageError(fmt::format("{}: no format of this name, expected .nii.gz, .nii or .nrrd", file.string()));
  }
  if (gzipped) out.start_gzip();
  out.write(nifti_header_bytes(like.nifti ? *like.nifti : nifti_header_for(like), type));
}

}  // namespace

struct VolumeWriter::State {
  State(const fs::path& path, const SourceInfo& like, VoxelType voxel_type)
      : file(path), size(like.stored_geometry.size), order(like.order), type(voxel_type), out(path) {
    begin_file(out, path, like, voxel_type);
    const auto axis = static_cast<std::size_t>(order.axis[2]);
    written.resize(static_cast<std::size_t>(size[axis]));
    if (!stored_axially()) volume.resize(static_cast<std::size_t>(size[0] * size[1] * size[2]) * size_of(type));
  }

  bool stored_axially() const { return order.axis[2] == 2; }

  std::int64_t slices() const { return static_cast<std::int64_t>(written.size()); }

  template <class Pixel>
  void place(std::int64_t index, std::span<const Pixel> pixels, const SliceLayout& layout,
             std::span<std::byte> stored) const {
    const std::size_t misfit = scatter(pixels, layout, type, stored);
    if (misfit == pixels.size()) return;
    throw Error(
        fmt::format("{}: the value {} in slice {} does not fit {}", file.string(), pixels[misfit], index, name(type)));
  }

  template <class Pixel>
  void write(std::int64_t index, std::span<const Pixel> pixels) {
    if (index < 0 || index >= slices() || written[static_cast<std::size_t>(index)]) {
      throw Error(
          fmt::format("{}: slice {} is written twice or outside of the {} slices", file.string(), index, slices()));
    }
    const SliceLayout layout = stored_axially() ? layout_in_slice(size, order) : layout_in_volume(size, order, index);
    if (std::ssize(pixels) != layout.rows * layout.columns) {
      throw Error(fmt::format("{}: slice {} has {} pixels, expected {}x{}", file.string(), index, pixels.size(),
                              layout.columns, layout.rows));
    }
    if (stored_axially()) {
      std::vector<std::byte> stored(pixels.size() * size_of(type));
      place(index, pixels, layout, stored);
      waiting.emplace(order.flipped[2] ? slices() - 1 - index : index, std::move(stored));
      write_waiting();
    } else {
      place(index, pixels, layout, volume);
    }
    written[static_cast<std::size_t>(index)] = true;
  }

  /// Hands slices on as long as the next one in stored order is there.
  void write_waiting() {
    for (auto slice = waiting.find(next); slice != waiting.end(); slice = waiting.find(++next)) {
      out.write(slice->second);
      waiting.erase(slice);
    }
  }

  fs::path file;
  std::array<std::int64_t, 3> size;
  AxisOrder order;
  VoxelType type;
  OutputBytes out;
  std::vector<bool> written;
  std::vector<std::byte> volume;                           // not stored axially: all voxels
  std::map<std::int64_t, std::vector<std::byte>> waiting;  // stored axially: slices before their turn
  std::int64_t next = 0;                                   // stored axially: the next slice of the file
};

VolumeWriter::VolumeWriter(const fs::path& file, const SourceInfo& like, VoxelType type)
    : state_(std::make_unique<State>(file, like, type)) {}
VolumeWriter::VolumeWriter(VolumeWriter&&) noexcept = default;
VolumeWriter& VolumeWriter::operator=(VolumeWriter&&) noexcept = default;
VolumeWriter::~VolumeWriter() = default;

void VolumeWriter::write(std::int64_t index, std::span<const float> pixels) { state_->write(index, pixels); }
void VolumeWriter::write(std::int64_t index, std::span<const std::uint8_t> pixels) { state_->write(index, pixels); }

void VolumeWriter::commit() {
  State& state = *state_;
  for (std::int64_t k = 0; k < state.slices(); ++k) {
    if (!state.written[static_cast<std::size_t>(k)]) {
      throw Error(fmt::format("{}: slice {} of {} was not written", state.file.string(), k, state.slices()));
    }
  }
  state.out.write(state.volume);
  state.out.commit();
}

}  // namespace pulmoseg::volume
