#include "pulmoseg/quantify/lung_taper.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pulmoseg::quantify {
namespace {

constexpr double least_area = 0.25;  // of the largest cross-section: the tip of one lung does not vote
constexpr std::size_t fewest_slices = 10;
constexpr double end_part = 0.2;  // of the lungs' height
// In scans as their headers say, what each side draws in from above to below is −0.14 to −0.01 of the lungs' width, and width and
// height go together at −0.90 to −1.0. One with a destroyed lung: 0.25 and −0.06, at 0.25; effusions made up on both sides: up to
// 0.06 and 0.06, at 0.86.
constexpr double drawn_in = 0.06, correlated = 0.88;

/// Pearson's, of values and their places in the list.
double correlation_with_place(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double both = 0, of_values = 0, of_places = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i] - mean, place = static_cast<double>(i) - (count - 1) / 2;
    both += value * place;
    of_values += value * value;
    of_places += place * place;
  }
  return of_values > 0 ? both / std::sqrt(of_values * of_places) : 0;
}

/// How much higher the last values are than the first, on average.
double rise(const std::vector<double>& values) {
  const auto part = static_cast<std::ptrdiff_t>(end_part * static_cast<double>(values.size()));
  const double first = std::accumulate(values.begin(), values.begin() + part, 0.0);
  const double last = std::accumulate(values.end() - part, values.end(), 0.0);
  return (last - first) / static_cast<double>(part);
}

}  // namespace

LungOutline outline_of(std::span<const std::uint8_t> lung, std::int64_t columns) {
  LungOutline outline{0, columns, 0};
  for (std::size_t at = 0; at < lung.size(); at += static_cast<std::size_t>(columns)) {
    const auto row = lung.subspan(at, static_cast<std::size_t>(columns));
    const std::int64_t inside = std::ssize(row) - std::ranges::count(row, std::uint8_t{0});
    if (inside == 0) continue;
    const auto is_lung = [](std::uint8_t label) { return label != 0; };
    outline.area += inside;
    outline.right = std::min(outline.right, std::ranges::find_if(row, is_lung) - row.begin());
    outline.left = std::max(outline.left, std::find_if(row.rbegin(), row.rend(), is_lung).base() - row.begin());
  }
  return outline.area > 0 ? outline : LungOutline{};
}

bool tapers_downwards(const std::vector<LungOutline>& lungs) {
  const auto largest = std::ranges::max_element(lungs, {}, &LungOutline::area);
  std::vector<double> right, left, width;
  for (const auto& slice : lungs) {
    if (slice.area == 0 || static_cast<double>(slice.area) < least_area * static_cast<double>(largest->area)) continue;
    right.push_back(static_cast<double>(slice.right));
    left.push_back(static_cast<double>(slice.left));
    width.push_back(left.back() - right.back());
  }
  if (width.size() < fewest_slices) return false;
  const double least = drawn_in * *std::ranges::max_element(width);
  return rise(left) > least && -rise(right) > least && correlation_with_place(width) > correlated;
}

}  // namespace pulmoseg::quantify
