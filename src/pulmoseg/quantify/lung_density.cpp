#include "pulmoseg/quantify/lung_density.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pulmoseg::quantify {
namespace {

std::optional<double> mean(double sum, std::int64_t count) {
  return count > 0 ? std::optional(sum / static_cast<double>(count)) : std::nullopt;
}

}  // namespace

void DensityAccumulator::add_slice(std::span<const float> pixels, std::span<const std::uint8_t> lesion,
                                   std::span<const std::uint8_t> lung) {
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    if (lung[i] == 0) continue;
    const double hu = pixels[i];
    ++lung_.voxels;
    lung_.values += hu;
    squares_ += hu * hu;
    densities_ += std::max(0.0, (hu + 1000) / 1000);
    std::size_t band = 0;
    for (const double edge : edges) band += hu >= edge;  // without branches: neighbours are seldom alike
    ++bands_[band];
    if (lesion[i] == 0) continue;
    ++lesion_.voxels;
    lesion_.values += hu;
  }
}

LungDensity DensityAccumulator::finish(std::optional<double> voxel_ml) const {
  LungDensity density;
  density.mean_hu = mean(lung_.values, lung_.voxels);
  if (density.mean_hu) {
    const double variance = squares_ / static_cast<double>(lung_.voxels) - *density.mean_hu * *density.mean_hu;
    density.standard_deviation_hu = std::sqrt(std::max(0.0, variance));
  }
  density.mean_hu_of_lesion = mean(lesion_.values, lesion_.voxels);
  density.mean_hu_without_lesion = mean(lung_.values - lesion_.values, lung_.voxels - lesion_.voxels);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<HounsfieldBand> all;
  for (std::size_t i = 0; i < bands_.size(); ++i) {
    const auto voxels = static_cast<double>(bands_[i]);
    all.push_back({.from_hu = i == 0 ? -infinity : edges[i - 1],
                   .to_hu = i == edges.size() ? infinity : edges[i],
                   .voxels = bands_[i],
                   .ml = voxel_ml ? std::optional(voxels * *voxel_ml) : std::nullopt,
                   .percent_of_lung = mean(100 * voxels, lung_.voxels)});
  }
  density.below = all.front();
  density.above = all.back();
  density.bands.assign(all.begin() + 1, all.end() - 1);
  if (voxel_ml) density.mass_g = densities_ * *voxel_ml;
  return density;
}

}  // namespace pulmoseg::quantify
