#include "pulmoseg/metrics/confidence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

std::vector<double> pick(std::span<const double> values, std::span<const std::size_t> places) {
  std::vector<double> picked;
  for (const std::size_t place : places) picked.push_back(values[place]);
  return picked;
}

/// From the smallest on, counted from 0.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    for (std::size_t i = first; i <= last; ++i) ranks[order[i]] = static_cast<double>(first + last) / 2;
    first = last + 1;
  }
  return ranks;
}

}  // namespace

void ExpectedDice::add(std::span<const float> probabilities, std::span<const std::uint8_t> mask) {
  if (probabilities.size() != mask.size()) throw Error("a mask and its probabilities differ in length");
  for (std::size_t i = 0; i < mask.size(); ++i) {
    all_ += probabilities[i];
    if (mask[i] == 0) continue;
    inside_ += probabilities[i];
    ++pixels_;
  }
}

std::optional<double> ExpectedDice::value() const {
  if (pixels_ == 0) return std::nullopt;
  return 2 * inside_ / (all_ + static_cast<double>(pixels_));
}

std::optional<double> spearman(std::span<const double> one, std::span<const double> other) {
  if (one.size() != other.size()) throw Error("a rank correlation needs pairs");
  if (one.size() < 3) return std::nullopt;
  const auto a = ranks_of(one), b = ranks_of(other);
  const double mean = static_cast<double>(one.size() - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  if (aa == 0 || bb == 0) return std::nullopt;
  return ab / std::sqrt(aa * bb);
}

std::optional<RiskCoverage> risk_coverage(std::span<const double> confidence, std::span<const double> dice) {
  if (confidence.size() != dice.size()) throw Error("confidences and Dice differ in length");
  if (dice.empty()) return std::nullopt;
  std::vector<std::size_t> order(dice.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t i) { return confidence[i]; });
  RiskCoverage result;
  double risk = 0;
  for (std::size_t trusted = 1; trusted <= order.size(); ++trusted) {
    risk += 1 - dice[order[trusted - 1]];
    result.area += risk / static_cast<double>(trusted);
  }
  const auto count = static_cast<double>(order.size());
  result.area /= count;
  result.random = risk / count;
  return result;
}

ConfidenceFigures judge_confidence(std::span<const double> confidence, std::span<const double> dice) {
  constexpr int resamples = 2000;
  return {.count = std::ssize(dice),
          .spearman = spearman(confidence, dice),
          .spearman_ci95 = bootstrap_ci95(
              dice.size(),
              [&](std::span<const std::size_t> drawn) { return spearman(pick(confidence, drawn), pick(dice, drawn)); },
              0, resamples),
          .risk = risk_coverage(confidence, dice)};
}

}  // namespace pulmoseg::metrics
