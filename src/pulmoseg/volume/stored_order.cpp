#include "pulmoseg/volume/stored_order.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {

struct StoredOrder::State {
  State(std::string of_what, const std::array<std::int64_t, 3>& stored_size, const AxisOrder& axis_order,
        VoxelType voxel_type, Sink to)
      : name(std::move(of_what)), size(stored_size), order(axis_order), type(voxel_type), sink(std::move(to)) {
    written.resize(static_cast<std::size_t>(size[static_cast<std::size_t>(order.axis[2])]));
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
        fmt::format("{}: the value {} in slice {} does not fit {}", name, pixels[misfit], index, volume::name(type)));
  }

  template <class Pixel>
  void write(std::int64_t index, std::span<const Pixel> pixels) {
    if (index < 0 || index >= slices() || written[static_cast<std::size_t>(index)]) {
      throw Error(fmt::format("{}: slice {} is written twice or outside of the {} slices", name, index, slices()));
    }
    const SliceLayout layout = stored_axially() ? layout_in_slice(size, order) : layout_in_volume(size, order, index);
    if (std::ssize(pixels) != layout.rows * layout.columns) {
      throw Error(fmt::format("{}: slice {} has {} pixels, expected {}x{}", name, index, pixels.size(), layout.columns,
                              layout.rows));
    }
    if (stored_axially()) {
      std::vector<std::byte> stored(pixels.size() * size_of(type));
      place(index, pixels, layout, stored);
      waiting.emplace(order.flipped[2] ? slices() - 1 - index : index, std::move(stored));
      hand_on_waiting();
    } else {
      place(index, pixels, layout, volume);
    }
    written[static_cast<std::size_t>(index)] = true;
  }

  /// As long as the next slice in stored order is there.
  void hand_on_waiting() {
    for (auto slice = waiting.find(next); slice != waiting.end(); slice = waiting.find(++next)) {
      sink(slice->second);
      waiting.erase(slice);
    }
  }

  std::string name;
  std::array<std::int64_t, 3> size;
  AxisOrder order;
  VoxelType type;
  Sink sink;
  std::vector<bool> written;
  std::vector<std::byte> volume;                           // not stored axially: all voxels
  std::map<std::int64_t, std::vector<std::byte>> waiting;  // stored axially: slices before their turn
  std::int64_t next = 0;                                   // stored axially: the next slice of the file
};

StoredOrder::StoredOrder(std::string name, const Geometry& stored_geometry, const AxisOrder& order, VoxelType type,
                         Sink sink)
    : state_(std::make_unique<State>(std::move(name), stored_geometry.size, order, type, std::move(sink))) {}
StoredOrder::StoredOrder(StoredOrder&&) noexcept = default;
StoredOrder& StoredOrder::operator=(StoredOrder&&) noexcept = default;
StoredOrder::~StoredOrder() = default;

void StoredOrder::write(std::int64_t index, std::span<const float> pixels) { state_->write(index, pixels); }
void StoredOrder::write(std::int64_t index, std::span<const std::uint8_t> pixels) { state_->write(index, pixels); }

void StoredOrder::finish() {
  const State& state = *state_;
  for (std::int64_t k = 0; k < state.slices(); ++k) {
    if (!state.written[static_cast<std::size_t>(k)]) {
      throw Error(fmt::format("{}: slice {} of {} was not written", state.name, k, state.slices()));
    }
  }
  if (!state.volume.empty()) state.sink(state.volume);
}

}  // namespace pulmoseg::volume
