#include "pulmoseg/quantify/lesion_parts.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "pulmoseg/masks/components.hpp"

namespace pulmoseg::quantify {
namespace {

using masks::Run;

constexpr std::array<std::pair<double, std::optional<double>>, 5> size_limits{
    {{0, 0.1}, {0.1, 1}, {1, 10}, {10, 100}, {100, std::nullopt}}};  // ml

struct Sums {
  volume::Vector3 index{};  // summed over the voxels
  std::int64_t right = 0, left = 0;
};

void add(LesionPart& part, Sums& sums, const Run& run, std::int64_t slice, std::int64_t columns) {
  const double length = run.end - run.begin, first = static_cast<double>(run.begin % columns);
  if (part.voxels == 0) part.first_slice = slice;
  part.last_slice = slice;
  part.voxels += run.end - run.begin;
  sums.index[0] += length * (first + (length - 1) / 2);
  sums.index[1] += length * static_cast<double>(run.begin / columns);
  sums.index[2] += length * static_cast<double>(slice);
}

std::int64_t inside(const std::vector<std::uint8_t>& mask, const Run& run) {
  return std::accumulate(mask.begin() + run.begin, mask.begin() + run.end, std::int64_t{0});
}

void finish(LesionPart& part, const Sums& sums, const volume::Geometry& grid, std::optional<double> voxel_ml) {
  const auto voxels = static_cast<double>(part.voxels);
  part.centre = volume::index_to_point(grid, {sums.index[0] / voxels, sums.index[1] / voxels, sums.index[2] / voxels});
  if (voxel_ml) part.ml = voxels * *voxel_ml;
  if (2 * (sums.right + sums.left) > part.voxels) part.side = sums.left > sums.right ? "left" : "right";
}

}  // namespace

std::vector<LesionPart> find_lesion_parts(const masks::RunMask& lesion, const LungSides* sides,
                                          const volume::Geometry& grid, std::optional<double> voxel_ml) {
  const masks::Components components(lesion);
  std::vector<LesionPart> parts(components.voxels().size());
  std::vector<Sums> sums(parts.size());
  auto number = components.part_of_run().begin();
  for (std::int64_t k = 0; k < lesion.size()[2]; ++k) {
    if (lesion.runs(k).empty()) continue;
    const auto right = sides ? sides->right.pixels(k) : std::vector<std::uint8_t>();
    const auto left = sides ? sides->left.pixels(k) : std::vector<std::uint8_t>();
    for (const Run& run : lesion.runs(k)) {
      const auto part = *number++;
      add(parts[part], sums[part], run, k, lesion.size()[0]);
      if (!sides) continue;
      sums[part].right += inside(right, run);
      sums[part].left += inside(left, run);
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) finish(parts[i], sums[i], grid, voxel_ml);
  std::ranges::stable_sort(parts, std::greater(), &LesionPart::voxels);
  return parts;
}

std::vector<SizeClass> count_sizes(const std::vector<LesionPart>& parts, double voxel_ml) {
  std::vector<SizeClass> classes;
  for (const auto& [from, to] : size_limits) {
    SizeClass size{.from_ml = from, .to_ml = to, .parts = 0, .ml = {}};
    std::int64_t voxels = 0;
    for (const LesionPart& part : parts) {
      if (*part.ml < from || (to && *part.ml >= *to)) continue;
      ++size.parts;
      voxels += part.voxels;
    }
    size.ml = static_cast<double>(voxels) * voxel_ml;
    classes.push_back(size);
  }
  return classes;
}

}  // namespace pulmoseg::quantify
