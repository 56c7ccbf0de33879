#pragma once
// Which slices an epoch shows: all of them once, or those of patients with few slices more often.

#include <cstdint>
#include <string>
#include <vector>

#include "pulmoseg/training/batches.hpp"

namespace pulmoseg::training {

/// As many rows as are given, of each patient a share in proportion to (its number of rows)^(1 - balance): with 0 each row once,
/// with 1 as many of one patient as of another. Within a patient no row comes again before all have come. A scan with 200
/// slices would else outweigh twenty with 10 each, which show twenty times as many bodies and scanners.
/// `patients`: of each row of the dataset. Depends on the seed and the epoch alone; the order is that of shuffled().
Rows sampled(const Rows& rows, const std::vector<std::string>& patients, double balance, std::uint64_t seed,
             std::int64_t epoch);

}  // namespace pulmoseg::training
