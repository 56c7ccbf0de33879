#include "pulmoseg/dataset/neighbours.hpp"

#include <algorithm>

namespace pulmoseg::dataset {

std::vector<std::int64_t> neighbours_of(const Dataset& dataset, std::int64_t row, std::int64_t each_side) {
  if (each_side == 0) return {row};
  const SliceRecord& middle = dataset.slices().at(static_cast<std::size_t>(row));
  std::vector<const SliceRecord*> in_case;
  for (const SliceRecord& slice : dataset.slices()) {
    if (slice.case_name == middle.case_name) in_case.push_back(&slice);
  }
  std::ranges::sort(in_case, {}, &SliceRecord::slice);
  const auto place = std::ranges::find(in_case, row, &SliceRecord::row) - in_case.begin();
  std::vector<std::int64_t> rows;
  for (std::int64_t step = -each_side; step <= each_side; ++step) {
    const auto clamped = std::clamp<std::int64_t>(place + step, 0, std::ssize(in_case) - 1);
    rows.push_back(in_case[static_cast<std::size_t>(clamped)]->row);
  }
  return rows;
}

}  // namespace pulmoseg::dataset
