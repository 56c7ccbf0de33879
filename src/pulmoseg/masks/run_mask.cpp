#include "pulmoseg/masks/run_mask.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::masks {

RunMask::RunMask(const Size& size) : size_(size), runs_(static_cast<std::size_t>(size[2])) {
  if (pixels_of_slice() > std::numeric_limits<std::uint32_t>::max())
    throw Error(fmt::format("a slice of {}x{} pixels is too large for a mask", size[0], size[1]));
}

RunMask RunMask::of(std::span<const std::uint8_t> mask, const Size& size) {
  if (std::ssize(mask) != size[0] * size[1] * size[2])
    throw Error(fmt::format("a mask of {} voxels is not one of {}x{}x{}", mask.size(), size[0], size[1], size[2]));
  RunMask runs(size);
  const auto pixels = static_cast<std::size_t>(runs.pixels_of_slice());
  for (std::int64_t k = 0; k < size[2]; ++k) runs.set(k, mask.subspan(static_cast<std::size_t>(k) * pixels, pixels));
  return runs;
}

void RunMask::set(std::int64_t slice, std::span<const std::uint8_t> pixels) {
  if (std::ssize(pixels) != pixels_of_slice()) {
    throw Error(
        fmt::format("slice {} of a mask has {} pixels, expected {}x{}", slice, pixels.size(), size_[0], size_[1]));
  }
  std::vector<Run> runs;
  for (auto row = pixels.begin(); row != pixels.end(); row += size_[0]) {
    const auto row_end = row + size_[0];
    for (auto at = row; at != row_end;) {
      const auto begin = std::find_if(at, row_end, [](std::uint8_t pixel) { return pixel != 0; });
      at = std::find(begin, row_end, std::uint8_t{0});
      if (begin != at)
        runs.push_back(
            {static_cast<std::uint32_t>(begin - pixels.begin()), static_cast<std::uint32_t>(at - pixels.begin())});
    }
  }
  runs.shrink_to_fit();
  set(slice, std::move(runs));
}

std::vector<std::uint8_t> RunMask::pixels(std::int64_t slice) const {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(pixels_of_slice()));
  for (const Run& run : runs(slice)) std::fill(pixels.begin() + run.begin, pixels.begin() + run.end, std::uint8_t{1});
  return pixels;
}

RunMask intersection(const RunMask& one, const RunMask& other) {
  if (one.size() != other.size()) throw Error("two masks of different sizes have no intersection");
  RunMask both(one.size());
  for (std::int64_t k = 0; k < both.size()[2]; ++k) {
    std::vector<Run> runs;
    const auto a = one.runs(k), b = other.runs(k);
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
      const Run shared{std::max(a[i].begin, b[j].begin), std::min(a[i].end, b[j].end)};
      if (shared.begin < shared.end) runs.push_back(shared);
      if (a[i].end < b[j].end)
        ++i;
      else
        ++j;
    }
    both.set(k, std::move(runs));
  }
  return both;
}

}  // namespace pulmoseg::masks
