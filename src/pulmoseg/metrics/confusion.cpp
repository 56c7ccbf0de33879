#include "pulmoseg/metrics/confusion.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

std::optional<double> ratio(std::uint64_t numerator, std::uint64_t denominator) {
  if (denominator == 0) return std::nullopt;
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

}  // namespace

ConfusionCounts& ConfusionCounts::operator+=(const ConfusionCounts& other) {
  true_positive += other.true_positive;
  false_positive += other.false_positive;
  false_negative += other.false_negative;
  true_negative += other.true_negative;
  return *this;
}

ConfusionCounts count(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth) {
  if (prediction.size() != truth.size()) {
    throw Error(
        fmt::format("a prediction of {} pixels cannot be compared with a truth of {}; both must show the same slice",
                    prediction.size(), truth.size()));
  }
  std::uint64_t predicted = 0, present = 0, both = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const bool p = prediction[i] != 0, t = truth[i] != 0;
    predicted += p;
    present += t;
    both += p & t;
  }
  return {.true_positive = both,
          .false_positive = predicted - both,
          .false_negative = present - both,
          .true_negative = truth.size() + both - predicted - present};
}

std::optional<double> accuracy(const ConfusionCounts& c) { return ratio(c.true_positive + c.true_negative, c.total()); }

std::optional<double> precision(const ConfusionCounts& c) {
  return ratio(c.true_positive, c.true_positive + c.false_positive);
}

std::optional<double> recall(const ConfusionCounts& c) {
  return ratio(c.true_positive, c.true_positive + c.false_negative);
}

std::optional<double> specificity(const ConfusionCounts& c) {
  return ratio(c.true_negative, c.true_negative + c.false_positive);
}

std::optional<double> dice(const ConfusionCounts& c) {
  return ratio(2 * c.true_positive, 2 * c.true_positive + c.false_positive + c.false_negative);
}

std::optional<double> iou(const ConfusionCounts& c) {
  return ratio(c.true_positive, c.true_positive + c.false_positive + c.false_negative);
}

double slice_dice(const ConfusionCounts& counts) { return dice(counts).value_or(1.0); }

double slice_iou(const ConfusionCounts& counts) { return iou(counts).value_or(1.0); }

}  // namespace pulmoseg::metrics
