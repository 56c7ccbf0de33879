#include "pulmoseg/quantify/small_volume.hpp"

#include <algorithm>
#include <cmath>

#include "pulmoseg/masks/components.hpp"

namespace pulmoseg::quantify {
namespace {

constexpr std::int64_t largest_side = 64;
constexpr float air_hu = -1024, largest_value = 32000;
constexpr int body_above_hu = -500;  // halfway between air and water
constexpr int lung_below_hu = -400;  // aerated lung, much of ground glass too; fat is at −100
constexpr double smallest_lung_share = 0.05;

std::int64_t block_of(std::int64_t side) { return (side + largest_side - 1) / largest_side; }

}  // namespace

SmallVolume::SmallVolume(const masks::Size& grid) : grid_(grid), size_(grid), block_{} {
  for (std::size_t axis = 0; axis < 2; ++axis) {
    block_[axis] = block_of(grid[axis]);
    size_[axis] = (grid[axis] + block_[axis] - 1) / block_[axis];
  }
  values_.resize(static_cast<std::size_t>(size_[0] * size_[1] * size_[2]));
}

std::span<const std::int16_t> SmallVolume::slice(std::int64_t index) const {
  const auto blocks = static_cast<std::size_t>(size_[0] * size_[1]);
  return std::span(values_).subspan(static_cast<std::size_t>(index) * blocks, blocks);
}

void SmallVolume::set(std::int64_t index, std::span<const float> pixels) {
  const auto columns = static_cast<std::size_t>(grid_[0]), wide = static_cast<std::size_t>(block_[0]);
  std::int16_t* out = values_.data() + index * size_[0] * size_[1];
  std::vector<float> sums(static_cast<std::size_t>(size_[0]));
  for (std::int64_t first = 0; first < grid_[1]; first += block_[1]) {
    const std::int64_t last = std::min(first + block_[1], grid_[1]);
    std::ranges::fill(sums, 0.0F);
    for (std::int64_t row = first; row < last; ++row) {
      const auto line = pixels.subspan(static_cast<std::size_t>(row) * columns, columns);
      for (std::size_t block = 0; block < sums.size(); ++block) {
        const auto end = std::min((block + 1) * wide, columns);
        for (std::size_t i = block * wide; i < end; ++i) sums[block] += std::clamp(line[i], air_hu, largest_value);
      }
    }
    for (std::size_t block = 0; block < sums.size(); ++block) {
      const auto width = std::min(wide, columns - block * wide);
      *out++ = static_cast<std::int16_t>(
          std::lround(sums[block] / static_cast<float>(width * static_cast<std::size_t>(last - first))));
    }
  }
}

std::vector<std::uint8_t> body_of_slice(const SmallVolume& scan, std::int64_t index) {
  const auto values = scan.slice(index);
  std::vector<std::uint8_t> dense(values.size());
  std::ranges::transform(values, dense.begin(), [](auto hu) { return hu > body_above_hu; });
  auto body = masks::RunMask::of(dense, {scan.size()[0], scan.size()[1], 1});
  masks::keep_largest(body, 1, 0);
  masks::fill_holes_in_slices(body);
  return body.pixels(0);
}

Chest find_chest(const SmallVolume& scan) {
  Chest chest{masks::RunMask(scan.size()), masks::RunMask(scan.size())};
  for (std::int64_t k = 0; k < scan.size()[2]; ++k) {
    const auto values = scan.slice(k);
    const auto body = body_of_slice(scan, k);
    std::vector<std::uint8_t> air(values.size());
    for (std::size_t i = 0; i < air.size(); ++i) air[i] = body[i] && values[i] < lung_below_hu;
    chest.body.set(k, body);
    chest.lungs.set(k, air);
  }
  masks::keep_largest(chest.lungs, 2, smallest_lung_share);
  return chest;
}

}  // namespace pulmoseg::quantify
