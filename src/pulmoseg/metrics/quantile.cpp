#include "pulmoseg/metrics/quantile.hpp"

#include <algorithm>
#include <cmath>

namespace pulmoseg::metrics {

double quantile(std::span<const double> sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto above = std::min(below + 1, sorted.size() - 1);
  if (sorted[below] == sorted[above]) return sorted[below];  // also where both are infinite
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

}  // namespace pulmoseg::metrics
