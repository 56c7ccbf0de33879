#include "pulmoseg/volume/volume_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/dicom.hpp"
#include "pulmoseg/volume/dicom_series.hpp"
#include "pulmoseg/volume/input_bytes.hpp"
#include "pulmoseg/volume/nifti.hpp"
#include "pulmoseg/volume/nifti_header.hpp"
#include "pulmoseg/volume/nrrd.hpp"
#include "pulmoseg/volume/nrrd_header.hpp"
#include "pulmoseg/volume/stored_voxels.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

OpenedImage open_dicom(const std::vector<fs::path>& paths, const std::string& wanted) {
  const auto found = find_dicom_series(paths);
  return open_dicom_series(choose_dicom_series(found, wanted), found);
}

OpenedImage open_image(const fs::path& file, const std::string& series) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found) throw Error(fmt::format("{}: no such file or folder", file.string()));
  if (!error && fs::is_other(status))  // a pipe would be waited for
    throw Error(fmt::format("{}: is not an ordinary file, expected an image or a folder", file.string()));
  if (status.type() == fs::file_type::directory || may_hold_dicom(file)) return open_dicom({file}, series);
  InputBytes bytes(file, 0, InputBytes::Packing::by_content);
  std::array<std::byte, nifti2_header_size> buffer;
  const std::span first(buffer.data(), bytes.read_some(buffer));
  if (first.empty()) {
    bytes.finish();  // a cut gzip stream says so
    throw Error(fmt::format("{}: is empty, expected a NIfTI, NRRD or DICOM image", file.string()));
  }
  if (looks_like_nifti(first)) return open_nifti(file, first);
  if (looks_like_nrrd(first)) return open_nrrd(file);
  throw Error(fmt::format(
      "{}: is not an image that pulmoseg reads, expected NIfTI, NRRD or DICOM (a file, a folder with a series, "
      "a ZIP, a DICOMDIR)",
      file.string()));
}

/// NaN and infinity have all bits of the exponent set. (A loop that the compiler turns into vector instructions.)
bool all_finite(std::span<const float> pixels) {
  std::uint32_t largest = 0;
  for (const float pixel : pixels) largest = std::max(largest, std::bit_cast<std::uint32_t>(pixel) & 0x7fffffffU);
  return largest < 0x7f800000U;
}

void check_finite(const AxialSlice& slice, const fs::path& file) {
  if (all_finite(slice.pixels)) return;
  const auto bad =
      std::find_if(slice.pixels.begin(), slice.pixels.end(), [](float pixel) { return !std::isfinite(pixel); });
  const std::int64_t at = bad - slice.pixels.begin();
  throw Error(fmt::format(
      "{}: axial slice {} has a voxel that is {} (row {}, column {}), expected finite numbers; replace such "
      "voxels, e.g. by air",
      file.string(), slice.index, std::isnan(*bad) ? "not a number" : "infinite", at / slice.columns,
      at % slice.columns));
}

}  // namespace

struct VolumeReader::State {
  SourceInfo source;
  std::unique_ptr<StoredVoxels> voxels;
  Geometry geometry;              // canonical
  bool keeps = false;             // all that was read, for it is small enough
  std::vector<std::byte> stored;  // a slice; or the whole volume, if it is kept or not stored axially
  std::int64_t next = 0;          // slices handed out
  std::int64_t loaded = 0;        // slices read

  bool stored_axially() const { return source.order.axis[2] == 2; }
  std::int64_t slices() const { return geometry.size[2]; }

  /// Of a stored slice, or of all of them when the volume is not stored axially.
  std::size_t bytes() const {
    const auto& size = source.stored_geometry.size;
    return static_cast<std::size_t>(size[0] * size[1] * (stored_axially() ? 1 : size[2])) * size_of(source.voxel_type);
  }

  std::int64_t index_of(std::int64_t at) const {
    return stored_axially() && source.order.flipped[2] ? slices() - 1 - at : at;
  }

  void load(std::span<std::byte> target, std::int64_t loaded_then) {
    voxels->read(target);
    if (loaded_then == slices()) voxels->finish();
    loaded = loaded_then;
  }

  /// Where the voxels of the slice that is handed out as number `at` stand: in it alone, or in the volume.
  std::span<const std::byte> holding(std::int64_t at) {
    if (!stored_axially()) {
      if (loaded == 0) {
        stored.resize(bytes());
        load(stored, slices());
      }
      return stored;
    }
    const std::size_t offset = keeps ? static_cast<std::size_t>(at) * bytes() : 0;
    if (at == loaded) {
      if (keeps) stored.reserve(static_cast<std::size_t>(slices()) * bytes());
      stored.resize(offset + bytes());
      load(std::span(stored).subspan(offset), at + 1);
    }
    return std::span(stored).subspan(offset, bytes());
  }

  /// As holding(), for voxels that nobody wants to see.
  void pass_over(std::int64_t at) {
    if (keeps || !stored_axially() || at != loaded) {
      holding(at);
      return;
    }
    voxels->skip(bytes());
    if (at + 1 == slices()) voxels->finish();
    loaded = at + 1;
  }
};

VolumeReader::VolumeReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
VolumeReader::VolumeReader(VolumeReader&&) noexcept = default;
VolumeReader& VolumeReader::operator=(VolumeReader&&) noexcept = default;
VolumeReader::~VolumeReader() = default;

VolumeReader VolumeReader::open(const fs::path& path, std::uint64_t kept_bytes) {
  return open(path, OpenOptions{.kept_bytes = kept_bytes});
}

VolumeReader VolumeReader::open(const fs::path& path, const OpenOptions& options) {
  return open(std::vector{path}, options);
}

VolumeReader VolumeReader::open(const std::vector<fs::path>& paths, const OpenOptions& options) {
  OpenedImage image = paths.size() == 1 ? open_image(paths.front(), options.series) : open_dicom(paths, options.series);
  auto state = std::make_unique<State>();
  state->geometry = reorder(image.source.stored_geometry, image.source.order);
  state->source = std::move(image.source);
  state->voxels = std::move(image.voxels);
  state->keeps = state->bytes() * (state->stored_axially() ? static_cast<std::uint64_t>(state->slices()) : 1) <=
                 options.kept_bytes;
  return VolumeReader(std::move(state));
}

VolumeReader VolumeReader::open_on_grid_of(const SourceInfo& grid, const fs::path& file_or_dicom_folder) {
  VolumeReader reader = open(file_or_dicom_folder);
  SourceInfo& source = reader.state_->source;
  if (source.stored_geometry.size != grid.stored_geometry.size) {
    throw Error(fmt::format("{}: is {}, expected the size of {}: {}", source.file.string(),
                            describe(source.stored_geometry), grid.file.string(), describe(grid.stored_geometry)));
  }
  source.stored_geometry = grid.stored_geometry;
  source.order = grid.order;
  source.has_geometry = grid.has_geometry;
  source.dimensions = grid.dimensions;
  source.nifti = grid.nifti;
  source.nrrd = grid.nrrd;
  reader.state_->geometry = reorder(source.stored_geometry, source.order);
  return reader;
}

const Geometry& VolumeReader::geometry() const { return state_->geometry; }
const SourceInfo& VolumeReader::source() const { return state_->source; }

std::optional<std::int64_t> VolumeReader::next_index() const {
  if (state_->next == state_->slices()) return std::nullopt;
  return state_->index_of(state_->next);
}

bool VolumeReader::skip() {
  State& state = *state_;
  if (state.next == state.slices()) return false;
  state.pass_over(state.next);
  ++state.next;
  return true;
}

void VolumeReader::rewind() {
  State& state = *state_;
  state.next = 0;
  if (state.keeps || !state.stored_axially()) return;
  state.loaded = 0;
  state.voxels->rewind();
}

void VolumeReader::read_ahead(const std::function<bool()>& go_on) {
  State& state = *state_;
  while (state.keeps && state.loaded < state.slices() && go_on()) state.holding(state.loaded);
}

bool VolumeReader::next(AxialSlice& slice) {
  State& state = *state_;
  if (state.next == state.slices()) return false;
  const auto& source = state.source;
  const std::int64_t at = state.next;
  slice.index = state.index_of(at);
  slice.columns = state.geometry.size[0];
  slice.rows = state.geometry.size[1];
  slice.pixels.resize(static_cast<std::size_t>(slice.rows * slice.columns));
  const auto& size = source.stored_geometry.size;
  const SliceLayout layout =
      state.stored_axially() ? layout_in_slice(size, source.order) : layout_in_volume(size, source.order, slice.index);
  gather(state.holding(at), source.voxel_type, layout, source.slope, source.intercept, slice.pixels);
  check_finite(slice, source.file);
  ++state.next;
  return true;
}

}  // namespace pulmoseg::volume
