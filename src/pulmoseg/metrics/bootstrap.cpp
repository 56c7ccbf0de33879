#include "pulmoseg/metrics/bootstrap.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/metrics/quantile.hpp"

namespace pulmoseg::metrics {

std::optional<Interval> bootstrap_ci95(
    std::size_t n, const std::function<std::optional<double>(std::span<const std::size_t> drawn)>& statistic,
    std::uint64_t seed, int resamples) {
  if (resamples < 1) throw Error("a bootstrap needs at least one resample");
  if (n < 2) return std::nullopt;
  std::mt19937_64 random(seed);
  std::vector<std::size_t> drawn(n);
  std::vector<double> found;
  for (int i = 0; i < resamples; ++i) {
    // The upper 32 bits, scaled to 0 … n-1: uneven by less than n / 2^32.
    for (std::size_t& place : drawn) place = ((random() >> 32) * n) >> 32;
    if (const auto value = statistic(drawn)) found.push_back(*value);
  }
  if (found.empty()) return std::nullopt;
  std::ranges::sort(found);
  return Interval{quantile(found, 0.025), quantile(found, 0.975)};
}

std::optional<Interval> bootstrap_mean_ci95(std::span<const double> values, std::uint64_t seed, int resamples) {
  const auto mean = [&](std::span<const std::size_t> drawn) -> std::optional<double> {
    double sum = 0;
    for (const std::size_t place : drawn) sum += values[place];
    return sum / static_cast<double>(drawn.size());
  };
  return bootstrap_ci95(values.size(), mean, seed, resamples);
}

}  // namespace pulmoseg::metrics
