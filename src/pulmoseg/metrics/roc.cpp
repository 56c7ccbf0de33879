#include "pulmoseg/metrics/roc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

/// Calls visit(threshold, positives, negatives) for every distinct score, highest first; the two are the counts of pixels
/// that score exactly the threshold. Both lists are sorted in descending order.
template <class Visit>
void for_each_score(std::span<const float> positives, std::span<const float> negatives, Visit visit) {
  std::size_t p = 0, n = 0;
  while (p < positives.size() || n < negatives.size()) {
    const float threshold = n == negatives.size()   ? positives[p]
                            : p == positives.size() ? negatives[n]
                                                    : std::max(positives[p], negatives[n]);
    const std::size_t first_p = p, first_n = n;
    while (p < positives.size() && positives[p] == threshold) ++p;
    while (n < negatives.size() && negatives[n] == threshold) ++n;
    visit(threshold, p - first_p, n - first_n);
  }
}

}  // namespace

RocAccumulator::RocAccumulator(std::size_t expected_pixels) {
  // Pages that are never written cost nothing; lesion pixels are few.
  negatives_.reserve(expected_pixels);
}

void RocAccumulator::add(std::span<const float> scores, std::span<const std::uint8_t> truth) {
  if (scores.size() != truth.size()) {
    throw Error(fmt::format("{} scores cannot be compared with a truth of {} pixels; both must show the same slice",
                            scores.size(), truth.size()));
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw Error(fmt::format("pixel {} has a score that is not a number, expected one", i));
    (truth[i] != 0 ? positives_ : negatives_).push_back(scores[i]);
  }
}

RocCurve RocAccumulator::finish(std::size_t max_points) {
  if (positives_.empty() || negatives_.empty()) return {};
  std::ranges::sort(positives_, std::greater{});
  std::ranges::sort(negatives_, std::greater{});
  const auto all_positives = static_cast<double>(positives_.size());
  const auto all_negatives = static_cast<double>(negatives_.size());

  // Pairs are counted in halves, so every term is a whole number and the sum exact up to 2^64 where long double is x87's.
  long double half_pairs = 0, precision_sum = 0;
  std::size_t distinct = 0, above = 0, negatives_above = 0;
  for_each_score(positives_, negatives_, [&](float, std::size_t p, std::size_t n) {
    half_pairs += static_cast<long double>(n) * static_cast<long double>(2 * above + p);
    above += p;
    negatives_above += n;
    precision_sum += static_cast<long double>(p) * above / (above + negatives_above);
    ++distinct;
  });

  RocCurve curve;
  curve.auc = static_cast<double>(half_pairs / 2 / positives_.size() / negatives_.size());
  curve.average_precision = static_cast<double>(precision_sum / positives_.size());
  curve.points.push_back({0, 0, std::numeric_limits<double>::infinity()});
  const bool keep_all = distinct < max_points;
  const double steps = static_cast<double>(std::max<std::size_t>(max_points, 3) - 1);
  std::size_t true_positives = 0, false_positives = 0;
  double last_step = 0;
  for_each_score(positives_, negatives_, [&](float threshold, std::size_t p, std::size_t n) {
    true_positives += p;
    false_positives += n;
    const RocPoint point{static_cast<double>(false_positives) / all_negatives,
                         static_cast<double>(true_positives) / all_positives, threshold};
    // Length along the curve, measured in both directions, so that steep and flat stretches get their share of points.
    const double step = std::floor((point.false_positive_rate + point.true_positive_rate) / 2 * steps);
    if (!keep_all && step == last_step) return;
    last_step = step;
    curve.points.push_back(point);
  });
  return curve;
}

}  // namespace pulmoseg::metrics
