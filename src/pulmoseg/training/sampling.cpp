#include "pulmoseg/training/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace pulmoseg::training {
namespace {

/// How many of `total` rows each patient gets: whole numbers in proportion to the weights, the largest remainders rounded up.
std::vector<std::int64_t> shares(const std::vector<double>& weights, std::int64_t total) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  std::vector<std::int64_t> counts;
  std::vector<std::pair<double, std::size_t>> remainders;
  std::int64_t left = total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double exact = static_cast<double>(total) * weights[i] / sum;
    counts.push_back(static_cast<std::int64_t>(exact));
    remainders.emplace_back(-(exact - std::floor(exact)), i);
    left -= counts.back();
  }
  std::ranges::sort(remainders);
  for (std::int64_t i = 0; i < left; ++i) ++counts[remainders[static_cast<std::size_t>(i)].second];
  return counts;
}

}  // namespace

Rows sampled(const Rows& rows, const std::vector<std::string>& patients, double balance, std::uint64_t seed,
             std::int64_t epoch) {
  const Rows order = shuffled(rows, seed, epoch);
  if (balance == 0) return order;
  std::map<std::string, Rows> of_patient;
  for (const std::int64_t row : order) of_patient[patients.at(static_cast<std::size_t>(row))].push_back(row);
  std::vector<double> weights;
  for (const auto& [patient, its_rows] : of_patient)
    weights.push_back(std::pow(static_cast<double>(its_rows.size()), 1 - balance));
  const auto counts = shares(weights, std::ssize(rows));
  Rows chosen;
  std::size_t place = 0;
  for (const auto& [patient, its_rows] : of_patient) {
    for (std::int64_t i = 0; i < counts[place]; ++i)
      chosen.push_back(its_rows[static_cast<std::size_t>(i) % its_rows.size()]);
    ++place;
  }
  return shuffled(chosen, seed, epoch);
}

}  // namespace pulmoseg::training
