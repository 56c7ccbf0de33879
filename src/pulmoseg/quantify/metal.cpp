#include "pulmoseg/quantify/metal.hpp"

#include <algorithm>

#include "pulmoseg/masks/components.hpp"

namespace pulmoseg::quantify {
namespace {

constexpr float metal_hu = 3000;

}  // namespace

std::vector<DensePart> dense_parts(std::span<const float> pixels, std::int64_t columns) {
  if (std::ranges::none_of(pixels, [](float hu) { return hu >= metal_hu; })) return {};
  std::vector<std::uint8_t> dense(pixels.size());
  std::ranges::transform(pixels, dense.begin(), [](float hu) { return hu >= metal_hu; });
  const auto mask = masks::RunMask::of(dense, {columns, static_cast<std::int64_t>(pixels.size()) / columns, 1});
  const masks::Components components(mask);
  std::vector<DensePart> parts(components.voxels().size());
  for (std::size_t run = mask.runs(0).size(); run-- > 0;) {  // backwards, so that a part's first run has the last word
    const std::int64_t begin = mask.runs(0)[run].begin;
    auto& part = parts[components.part_of_run()[run]];
    part = {begin / columns, begin % columns, components.voxels()[components.part_of_run()[run]]};
  }
  return parts;
}

}  // namespace pulmoseg::quantify
