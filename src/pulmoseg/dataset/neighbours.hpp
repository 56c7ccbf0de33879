#pragma once
// The slices around a slice, which a 2.5-D network sees as further channels.

#include <cstdint>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::dataset {

/// The rows of 2 each_side + 1 slices of the same case, from the lowest to the highest, `row` in the middle. Where the case ends,
/// its last slice stands for those beyond. Slices count as neighbours when the dataset has none between them. Looks at every
/// slice's record once. Pure; safe to call from several threads.
std::vector<std::int64_t> neighbours_of(const Dataset& dataset, std::int64_t row, std::int64_t each_side);

}  // namespace pulmoseg::dataset
