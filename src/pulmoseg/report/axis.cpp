#include "pulmoseg/report/axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace pulmoseg::report {
namespace {

/// 1, 2 or 5 times a power of ten: the smallest that needs no more than `steps` steps over `span`.
double round_step(double span, int steps, bool whole_numbers) {
  const double power = std::pow(10.0, std::floor(std::log10(span / steps)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (span / (factor * power) > steps * (1 + 1e-9)) continue;
    return whole_numbers ? std::max(1.0, factor * power) : factor * power;
  }
  return 10 * power;
}

std::string tick_text(double value, double step) {
  std::string text;
  if (std::abs(value) >= 1e9 || (value != 0 && std::abs(value) < 1e-7)) {
    text = fmt::format("{:.3g}", value);
  } else {
    const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
    text = fmt::format("{:.{}f}", value, decimals);
  }
  if (text.starts_with('-')) text.replace(0, 1, "−");
  return text;
}

/// The ends that the values need, opened where all of them are one value. From 0 where that costs little height.
AxisRange needed_range(std::span<const double> values, const AxisRequest& request) {
  AxisRange needed{HUGE_VAL, -HUGE_VAL};
  for (const double value : values) {
    if (!std::isfinite(value) || (request.logarithmic && value <= 0)) continue;
    needed = {std::min(needed.low, value), std::max(needed.high, value)};
  }
  if (needed.low > needed.high) return request.logarithmic ? AxisRange{0.1, 1} : AxisRange{0, 1};
  if (request.logarithmic) return needed;
  if (needed.low == needed.high) {
    const double room = request.whole_numbers ? 1 : needed.low == 0 ? 1 : std::abs(needed.low) / 2;
    return {needed.low - room, needed.high + room};
  }
  if (!request.whole_numbers && needed.low > 0 && needed.low < needed.high / 2) needed.low = 0;
  return needed;
}

Axis linear_axis(AxisRange range, const AxisRequest& request, bool fixed) {
  const double step = round_step(range.high - range.low, request.most_ticks, request.whole_numbers);
  if (!fixed && !request.whole_numbers) {
    range = {std::floor(range.low / step + 1e-9) * step, std::ceil(range.high / step - 1e-9) * step};
  }
  Axis axis{range.low, range.high, false, {}};
  const double first = std::ceil(range.low / step - 1e-9);
  for (int i = 0; (first + i) * step <= range.high + step * 1e-9; ++i) {
    const double value = (first + i) * step;
    axis.ticks.push_back({value, tick_text(value == 0 ? 0 : value, step)});
  }
  return axis;
}

/// Ticks at 1, 2, 5 times the powers of ten; over many decades only the powers carry a number.
Axis logarithmic_axis(AxisRange range, const AxisRequest& request, bool fixed) {
  constexpr std::array<double, 3> factors{1, 2, 5};
  std::vector<double> candidates;
  const int first = static_cast<int>(std::floor(std::log10(range.low))) - 1;
  const int last = static_cast<int>(std::ceil(std::log10(range.high))) + 1;
  for (int decade = first; decade <= last; ++decade) {
    for (const double factor : factors) candidates.push_back(factor * std::pow(10.0, decade));
  }
  if (!fixed) {
    const auto above = std::upper_bound(candidates.begin(), candidates.end(), range.low * (1 + 1e-9));
    const auto below = std::lower_bound(candidates.begin(), candidates.end(), range.high * (1 - 1e-9));
    range = {*(above - 1), *below};
    if (range.low == range.high) range = {*(above - 2), *(below + 1)};
  }
  Axis axis{range.low, range.high, true, {}};
  const double decades = std::log10(range.high / range.low);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / request.most_ticks)));
  const bool only_powers = decades * 3 > request.most_ticks;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double value = candidates[i];
    if (value < range.low * (1 - 1e-9) || value > range.high * (1 + 1e-9)) continue;
    const int decade = first + static_cast<int>(i / factors.size());
    const bool named = only_powers ? i % factors.size() == 0 && decade % every == 0 : true;
    axis.ticks.push_back({value, named ? fmt::format("{:.6g}", value) : std::string()});
  }
  return axis;
}

}  // namespace

double Axis::position(double value) const {
  if (logarithmic) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

Axis make_axis(std::span<const double> values, const AxisRequest& request) {
  const auto& asked = request.range;
  const bool fixed = asked && std::isfinite(asked->low) && std::isfinite(asked->high) && asked->low < asked->high &&
                     (!request.logarithmic || asked->low > 0);
  const AxisRange range = fixed ? *asked : needed_range(values, request);
  return request.logarithmic ? logarithmic_axis(range, request, fixed) : linear_axis(range, request, fixed);
}

}  // namespace pulmoseg::report
