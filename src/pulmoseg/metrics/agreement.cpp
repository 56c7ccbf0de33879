#include "pulmoseg/metrics/agreement.hpp"

#include <fmt/format.h>

#include <cmath>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::metrics {
namespace {

void check(std::span<const double> measured, std::span<const double> truth) {
  if (measured.size() == truth.size()) return;
  throw Error(fmt::format("{} measurements cannot be compared with {} true values; both must be of the same cases",
                          measured.size(), truth.size()));
}

double square(double value) { return value * value; }

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

std::optional<BlandAltman> bland_altman(std::span<const double> measured, std::span<const double> truth) {
  check(measured, truth);
  const auto cases = static_cast<double>(truth.size());
  if (cases < 2) return std::nullopt;
  BlandAltman agreement;
  agreement.bias = mean(measured) - mean(truth);
  double squares = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) squares += square(measured[i] - truth[i] - agreement.bias);
  agreement.standard_deviation = std::sqrt(squares / (cases - 1));
  agreement.lower_limit = agreement.bias - 1.96 * agreement.standard_deviation;
  agreement.upper_limit = agreement.bias + 1.96 * agreement.standard_deviation;
  return agreement;
}

/// The mean squares of a two-way analysis of variance, cases by methods, of which there are two.
std::optional<double> intraclass_correlation(std::span<const double> measured, std::span<const double> truth) {
  check(measured, truth);
  const auto cases = static_cast<double>(truth.size());
  if (cases < 2) return std::nullopt;
  const double measured_mean = mean(measured), true_mean = mean(truth), grand_mean = (measured_mean + true_mean) / 2;
  double between_cases = 0, residual = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double case_mean = (measured[i] + truth[i]) / 2;
    between_cases += 2 * square(case_mean - grand_mean);
    residual += square(measured[i] - case_mean - measured_mean + grand_mean) +
                square(truth[i] - case_mean - true_mean + grand_mean);
  }
  between_cases /= cases - 1;
  residual /= cases - 1;
  const double between_methods = cases * (square(measured_mean - grand_mean) + square(true_mean - grand_mean));
  const double all = between_cases + residual + 2 * (between_methods - residual) / cases;
  if (all == 0) return std::nullopt;
  return (between_cases - residual) / all;
}

}  // namespace pulmoseg::metrics
