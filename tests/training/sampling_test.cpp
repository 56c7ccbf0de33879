#include "pulmoseg/training/sampling.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace pulmoseg::training {
namespace {

/// 90 rows of one patient, 9 of another, 1 of a third.
const std::vector<std::string> patients = [] {
  std::vector<std::string> names(90, "a");
  names.insert(names.end(), 9, "b");
  names.emplace_back("c");
  return names;
}();

Rows all_rows() {
  Rows rows(patients.size());
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::map<std::string, int> counts(double balance) {
  std::map<std::string, int> found;
  for (const auto row : sampled(all_rows(), patients, balance, 0, 3)) ++found[patients[static_cast<std::size_t>(row)]];
  return found;
}

TEST(Sampling, WithoutBalanceEachRowComesOnce) {
  Rows rows = sampled(all_rows(), patients, 0, 5, 2);
  EXPECT_EQ(rows, shuffled(all_rows(), 5, 2));
  std::ranges::sort(rows);
  EXPECT_EQ(rows, all_rows());
}

TEST(Sampling, BalanceEvensPatientsOut) {
  EXPECT_EQ(counts(1), (std::map<std::string, int>{{"a", 34}, {"b", 33}, {"c", 33}}));
  EXPECT_EQ(counts(0.5), (std::map<std::string, int>{{"a", 70}, {"b", 22}, {"c", 8}}));  // as 9.49 : 3 : 1
}

TEST(Sampling, NoRowComesAgainBeforeAllOfItsPatientHave) {
  std::map<std::int64_t, int> times;
  for (const auto row : sampled(all_rows(), patients, 1, 0, 1)) ++times[row];
  for (std::int64_t row = 90; row < 99; ++row) {
    EXPECT_GE(times[row], 3);
    EXPECT_LE(times[row], 4);
  }
  EXPECT_EQ(std::ranges::count_if(times, [](const auto& entry) { return entry.first < 90 && entry.second > 1; }), 0);
}

TEST(Sampling, DependsOnSeedAndEpoch) {
  EXPECT_EQ(sampled(all_rows(), patients, 0.5, 1, 1), sampled(all_rows(), patients, 0.5, 1, 1));
  EXPECT_NE(sampled(all_rows(), patients, 0.5, 1, 1), sampled(all_rows(), patients, 0.5, 1, 2));
  EXPECT_NE(sampled(all_rows(), patients, 0.5, 1, 1), sampled(all_rows(), patients, 0.5, 2, 1));
}

}  // namespace
}  // namespace pulmoseg::training
