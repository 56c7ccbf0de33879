#pragma once
// How sure a figure of a few cases is.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace pulmoseg::metrics {

struct Interval {
  double lower = 0, upper = 0;
  bool operator==(const Interval&) const = default;
};

/// The percentile bootstrap (Efron & Tibshirani 1993, chapter 13): `values` are drawn with replacement `resamples` times, and
/// the interval holds the middle 95 % of the means of the draws (quantiles 0.025 and 0.975, interpolated linearly).
///
/// The same values in the same order, seed and number of resamples give the same interval on every machine: the draws come
/// from std::mt19937_64, whose output the C++ standard fixes, and not from a standard distribution, whose output it does not.
/// nullopt for fewer than two values: one case says nothing about the next. With fewer than about ten the interval is known to
/// be too narrow.
std::optional<Interval> bootstrap_mean_ci95(std::span<const double> values, std::uint64_t seed = 0,
                                            int resamples = 10000);

/// The same of any statistic of `n` values, which is told which of them were drawn; draws of which it does not exist are left out.
std::optional<Interval> bootstrap_ci95(
    std::size_t n, const std::function<std::optional<double>(std::span<const std::size_t> drawn)>& statistic,
    std::uint64_t seed = 0, int resamples = 10000);

}  // namespace pulmoseg::metrics
