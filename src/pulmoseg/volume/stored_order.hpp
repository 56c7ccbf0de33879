#pragma once
// From canonical slices to the order in which a file stores its voxels.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

/// Takes canonical axial slices in any order and hands on their voxels as `type`, little endian, in stored order.
///
/// Memory: one slice when the volume is stored axially and slices come in its stored order (as VolumeReader hands them
/// out); slices that come early are held in the target type until their turn, and a volume stored otherwise is held
/// whole.
///
/// Errors: Error that begins with `name` for a value that does not fit `type`, a slice of another size, outside of the
/// volume or given twice, a slice that is missing at finish(). Threads: one at a time.
class StoredOrder {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  StoredOrder(std::string name, const Geometry& stored_geometry, const AxisOrder& order, VoxelType type, Sink sink);
  StoredOrder(StoredOrder&&) noexcept;
  StoredOrder& operator=(StoredOrder&&) noexcept;
  ~StoredOrder();

  /// `pixels`: rows x columns of canonical slice `index`, each slice once. Integers are rounded to the nearest.
  void write(std::int64_t index, std::span<const float> pixels);
  void write(std::int64_t index, std::span<const std::uint8_t> pixels);

  /// Hands on what is held.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
