#include "pulmoseg/dataset/neighbours.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace pulmoseg::dataset {

Neighbours::Neighbours(const Dataset& dataset, std::int64_t each_side) : each_side_(each_side) {
  if (each_side == 0) return;
  std::vector<std::int64_t> order(dataset.slices().size());
  std::iota(order.begin(), order.end(), 0);
  below_ = above_ = order;
  const auto record = [&](std::int64_t row) -> const SliceRecord& {
    return dataset.slices()[static_cast<std::size_t>(row)];
  };
  std::ranges::sort(order, {}, [&](std::int64_t row) {
    return std::tuple(std::string_view(record(row).case_name), record(row).slice);
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (record(order[i]).case_name != record(order[i - 1]).case_name) continue;
    below_[static_cast<std::size_t>(order[i])] = order[i - 1];
    above_[static_cast<std::size_t>(order[i - 1])] = order[i];
  }
}

std::vector<std::int64_t> Neighbours::of(std::int64_t row) const {
  const auto middle = static_cast<std::size_t>(each_side_);
  std::vector<std::int64_t> rows(2 * middle + 1, row);
  for (std::size_t step = 1; step <= middle; ++step) {
    rows[middle - step] = below_.at(static_cast<std::size_t>(rows[middle - step + 1]));
    rows[middle + step] = above_.at(static_cast<std::size_t>(rows[middle + step - 1]));
  }
  return rows;
}

}  // namespace pulmoseg::dataset
