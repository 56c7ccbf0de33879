#include "pulmoseg/masks/components.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

namespace pulmoseg::masks {
namespace {

/// Which runs are one part: a forest whose roots are the earliest runs.
class Union {
 public:
  explicit Union(std::size_t runs) : parents_(runs) { std::iota(parents_.begin(), parents_.end(), 0U); }
  std::uint32_t root(std::uint32_t run) {
    while (parents_[run] != run) run = parents_[run] = parents_[parents_[run]];
    return run;
  }
  void unite(std::uint32_t one, std::uint32_t other) {
    const auto [first, second] = std::minmax({root(one), root(other)});
    parents_[second] = first;
  }

 private:
  std::vector<std::uint32_t> parents_;
};

/// Calls touch(i, j) for every run i of one list and j of another that share a pixel when the first is moved on by `offset`.
template <class Touch>
void for_each_touching(std::span<const Run> one, std::span<const Run> other, std::int64_t offset, Touch touch) {
  for (std::uint32_t i = 0, j = 0; i < one.size() && j < other.size();) {
    const std::int64_t begin = one[i].begin + offset, end = one[i].end + offset;
    if (std::max<std::int64_t>(begin, other[j].begin) < std::min<std::int64_t>(end, other[j].end)) touch(i, j);
    if (end < other[j].end)
      ++i;
    else
      ++j;
  }
}

/// Leaves the runs of the parts that are `kept`.
void keep_parts(RunMask& mask, const Components& components, const std::function<bool(std::uint32_t)>& kept) {
  auto part = components.part_of_run().begin();
  for (std::int64_t k = 0; k < mask.size()[2]; ++k) {
    std::vector<Run> left;
    for (const Run& run : mask.runs(k)) {
      if (kept(*part++)) left.push_back(run);
    }
    mask.set(k, std::move(left));
  }
}

/// From a pixel of this row of a slice to its place in the slice with a frame of one pixel around it.
std::int64_t to_frame(std::int64_t row, std::int64_t columns) { return (row + 1) * (columns + 2) + 1 - row * columns; }

Run moved(const Run& run, std::int64_t offset) {
  return {static_cast<std::uint32_t>(run.begin + offset), static_cast<std::uint32_t>(run.end + offset)};
}

/// What is not in a slice of `mask`, with a frame around it: so the outside is one part, and the first.
RunMask framed_background(const RunMask& mask, std::int64_t slice) {
  const std::int64_t columns = mask.size()[0], rows = mask.size()[1], width = columns + 2;
  std::vector<Run> background;
  auto run = mask.runs(slice).begin();
  for (std::int64_t row = -1; row <= rows; ++row) {
    Run open = moved({0, static_cast<std::uint32_t>(width)}, (row + 1) * width);
    for (; run != mask.runs(slice).end() && run->begin / columns == row; ++run) {
      const Run inside = moved(*run, to_frame(row, columns));
      background.push_back({open.begin, inside.begin});
      open.begin = inside.end;
    }
    background.push_back(open);
  }
  RunMask framed({width, rows + 2, 1});
  framed.set(0, std::move(background));
  return framed;
}

/// Runs in any order to runs in order, those of a row that follow each other as one.
std::vector<Run> joined(std::vector<Run> runs, std::int64_t columns) {
  std::ranges::sort(runs, {}, &Run::begin);
  std::vector<Run> result;
  for (const Run& run : runs) {
    if (!result.empty() && result.back().end == run.begin && run.begin % columns != 0)
      result.back().end = run.end;
    else
      result.push_back(run);
  }
  return result;
}

}  // namespace

Components::Components(const RunMask& mask) {
  std::vector<std::size_t> first_of_slice{0};
  for (std::int64_t k = 0; k < mask.size()[2]; ++k)
    first_of_slice.push_back(first_of_slice.back() + mask.runs(k).size());
  const std::size_t count = first_of_slice.back();
  Union parts(count);
  const auto unite = [&](std::int64_t earlier, std::int64_t slice, std::int64_t offset) {
    const auto first = [&](std::int64_t k) {
      return static_cast<std::uint32_t>(first_of_slice[static_cast<std::size_t>(k)]);
    };
    for_each_touching(mask.runs(earlier), mask.runs(slice), offset,
                      [&](std::uint32_t i, std::uint32_t j) { parts.unite(first(earlier) + i, first(slice) + j); });
  };
  for (std::int64_t k = 0; k < mask.size()[2]; ++k) {
    unite(k, k, mask.size()[0]);  // with the row before
    if (k > 0) unite(k - 1, k, 0);
  }
  // Roots are the earliest runs, so that a part is numbered when its first voxel is met.
  part_of_run_.resize(count);
  std::uint32_t run_index = 0;
  for (std::int64_t k = 0; k < mask.size()[2]; ++k) {
    for (const Run& run : mask.runs(k)) {
      const std::uint32_t root = parts.root(run_index);
      if (root == run_index) voxels_.push_back(0);
      const auto part = root == run_index ? static_cast<std::uint32_t>(voxels_.size() - 1) : part_of_run_[root];
      part_of_run_[run_index++] = part;
      voxels_[part] += run.end - run.begin;
    }
  }
}

void keep_largest(RunMask& mask, std::size_t count, double smallest_share) {
  const Components components(mask);
  const auto& voxels = components.voxels();
  std::vector<std::size_t> order(voxels.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t part) { return voxels[part]; });
  std::vector<bool> kept(voxels.size());
  for (std::size_t i = 0; i < std::min(count, order.size()); ++i) {
    kept[order[i]] = static_cast<double>(voxels[order[i]]) >= smallest_share * static_cast<double>(voxels[order[0]]);
  }
  keep_parts(mask, components, [&](std::uint32_t part) { return kept[part]; });
}

void drop_smaller_than(RunMask& mask, std::int64_t voxels) {
  const Components components(mask);
  keep_parts(mask, components, [&](std::uint32_t part) { return components.voxels()[part] >= voxels; });
}

void fill_holes_in_slices(RunMask& mask) {
  const std::int64_t columns = mask.size()[0];
  for (std::int64_t k = 0; k < mask.size()[2]; ++k) {
    const RunMask background = framed_background(mask, k);
    const Components parts(background);
    if (parts.voxels().size() < 2) continue;
    std::vector<Run> runs(mask.runs(k).begin(), mask.runs(k).end());
    for (std::size_t i = 0; i < background.runs(0).size(); ++i) {
      const Run& hole = background.runs(0)[i];
      const std::int64_t row = hole.begin / (columns + 2) - 1;
      if (parts.part_of_run()[i] > 0) runs.push_back(moved(hole, -to_frame(row, columns)));
    }
    mask.set(k, joined(std::move(runs), columns));
  }
}

}  // namespace pulmoseg::masks
