#pragma once
// The slices around a slice, which a 2.5-D network sees as further channels.

#include <cstdint>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::dataset {

/// Pure once made; safe to ask from several threads.
class Neighbours {
 public:
  /// `each_side`: how many slices below and above.
  Neighbours(const Dataset& dataset, std::int64_t each_side);

  /// The rows of 2 each_side + 1 slices of the same case, from the lowest to the highest, `row` in the middle. Where the case
  /// ends, its last slice stands for those beyond. Slices count as neighbours when the dataset has none between them.
  std::vector<std::int64_t> of(std::int64_t row) const;

 private:
  std::int64_t each_side_;
  std::vector<std::int64_t> below_, above_;  ///< of each row; itself at the ends
};

}  // namespace pulmoseg::dataset
