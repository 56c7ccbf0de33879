#include "pulmoseg/metrics/bootstrap.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/metrics/quantile.hpp"

namespace pulmoseg::metrics {
std::optional<Interval> bootstrap_mean_ci95(std::span<const double> values, std::uint64_t seed, int resamples) {
  if (resamples < 1) throw Error("a bootstrap needs at least one resample");
  if (values.size() < 2) return std::nullopt;
  std::mt19937_64 random(seed);
  std::vector<double> means(static_cast<std::size_t>(resamples));
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      // The upper 32 bits, scaled to 0 … n-1: uneven by less than n / 2^32.
      sum += values[((random() >> 32) * values.size()) >> 32];
    }
    mean = sum / static_cast<double>(values.size());
  }
  std::ranges::sort(means);
  return Interval{quantile(means, 0.025), quantile(means, 0.975)};
}

}  // namespace pulmoseg::metrics
