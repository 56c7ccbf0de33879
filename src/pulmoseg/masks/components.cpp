#include "pulmoseg/masks/components.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::masks {
namespace {

void check(std::span<const std::uint8_t> mask, const Size& size) {
  if (std::ssize(mask) == size[0] * size[1] * size[2]) return;
  throw Error(fmt::format("a mask of {} voxels is not one of {}x{}x{}", mask.size(), size[0], size[1], size[2]));
}

/// Which runs are one part: a forest whose roots are the earliest runs.
class Union {
 public:
  std::size_t add() {
    parents_.push_back(parents_.size());
    return parents_.size() - 1;
  }
  std::size_t root(std::size_t run) {
    while (parents_[run] != run) run = parents_[run] = parents_[parents_[run]];
    return run;
  }
  void unite(std::size_t one, std::size_t other) {
    const auto [first, second] = std::minmax({root(one), root(other)});
    parents_[second] = first;
  }

 private:
  std::vector<std::size_t> parents_;
};

struct Stretch {
  std::int64_t begin, end;
};

/// The runs of one row of columns, which begins at `first` in memory.
template <class Add>
void for_each_run(std::span<const std::uint8_t> row, std::int64_t first, Add add) {
  for (auto at = row.begin(); at != row.end();) {
    const auto begin = std::find_if(at, row.end(), [](std::uint8_t voxel) { return voxel != 0; });
    const auto end = std::find(begin, row.end(), std::uint8_t{0});
    if (begin != end) add(Stretch{first + (begin - row.begin()), first + (end - row.begin())});
    at = end;
  }
}

/// Calls touch(i, j) for every run i of one row and j of another, `offset` further on in memory, that share a column.
/// Both lists are in order, and end before `last_one` and `last_other`.
template <class Runs, class Touch>
void for_each_touching(const Runs& runs, std::size_t one, std::size_t last_one, std::size_t other,
                       std::size_t last_other, std::int64_t offset, Touch touch) {
  while (one < last_one && other < last_other) {
    if (std::max(runs[one].begin + offset, runs[other].begin) < std::min(runs[one].end + offset, runs[other].end))
      touch(one, other);
    if (runs[one].end + offset < runs[other].end)
      ++one;
    else
      ++other;
  }
}

}  // namespace

Components::Components(std::span<const std::uint8_t> mask, const Size& size) {
  check(mask, size);
  const std::int64_t columns = size[0], rows = size[1], lines = size[1] * size[2];
  Union parts;
  std::vector<std::size_t> first_of_line(static_cast<std::size_t>(lines) + 1);
  const auto unite_with = [&](std::int64_t line, std::int64_t earlier) {
    const auto of = [&](std::int64_t l) { return first_of_line[static_cast<std::size_t>(l)]; };
    for_each_touching(runs_, of(earlier), of(earlier + 1), of(line), runs_.size(), (line - earlier) * columns,
                      [&](std::size_t one, std::size_t other) { parts.unite(one, other); });
  };
  for (std::int64_t line = 0; line < lines; ++line) {
    first_of_line[static_cast<std::size_t>(line)] = runs_.size();
    const auto row = mask.subspan(static_cast<std::size_t>(line * columns), static_cast<std::size_t>(columns));
    for_each_run(row, line * columns, [&](const Stretch& run) { runs_.push_back({run.begin, run.end, parts.add()}); });
    first_of_line[static_cast<std::size_t>(line) + 1] = runs_.size();
    if (line % rows > 0) unite_with(line, line - 1);
    if (line >= rows) unite_with(line, line - rows);
  }
  // Roots are the earliest runs, so that a part is numbered when its first voxel is met.
  std::vector<std::size_t> number(runs_.size());
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const std::size_t root = parts.root(i);
    if (root == i) {
      number[i] = voxels_.size();
      voxels_.push_back(0);
    }
    runs_[i].part = number[root];
    voxels_[runs_[i].part] += runs_[i].end - runs_[i].begin;
  }
}

void Components::paint(std::span<std::uint8_t> mask, const std::function<bool(std::size_t)>& chosen,
                       std::uint8_t value) const {
  for (const Run& run : runs_) {
    if (chosen(run.part)) std::fill(mask.begin() + run.begin, mask.begin() + run.end, value);
  }
}

void keep_largest(std::span<std::uint8_t> mask, const Size& size, std::size_t count, double smallest_share) {
  const Components components(mask, size);
  const auto& voxels = components.voxels();
  std::vector<std::size_t> order(voxels.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t part) { return voxels[part]; });
  std::vector<bool> kept(voxels.size());
  for (std::size_t i = 0; i < std::min(count, order.size()); ++i) {
    kept[order[i]] = static_cast<double>(voxels[order[i]]) >= smallest_share * static_cast<double>(voxels[order[0]]);
  }
  components.paint(
      mask, [&](std::size_t part) { return !kept[part]; }, 0);
}

void drop_smaller_than(std::span<std::uint8_t> mask, const Size& size, std::int64_t voxels) {
  const Components components(mask, size);
  components.paint(
      mask, [&](std::size_t part) { return components.voxels()[part] < voxels; }, 0);
}

void fill_holes_in_slices(std::span<std::uint8_t> mask, const Size& size) {
  check(mask, size);
  const std::int64_t columns = size[0], rows = size[1];
  const auto pixels = static_cast<std::size_t>(columns * rows);
  // With a frame of background around it, the outside is one part, and the first.
  const Size framed{columns + 2, rows + 2, 1};
  std::vector<std::uint8_t> background(static_cast<std::size_t>(framed[0] * framed[1]));
  for (std::int64_t k = 0; k < size[2]; ++k) {
    const auto slice = mask.subspan(static_cast<std::size_t>(k) * pixels, pixels);
    std::ranges::fill(background, std::uint8_t{1});
    const auto in_frame = [&](std::int64_t row) { return background.begin() + (row + 1) * framed[0] + 1; };
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto begin = slice.begin() + row * columns;
      std::transform(begin, begin + columns, in_frame(row), [](std::uint8_t voxel) { return voxel == 0; });
    }
    const Components parts(background, framed);
    if (parts.voxels().size() < 2) continue;
    parts.paint(
        background, [](std::size_t part) { return part > 0; }, 2);
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto begin = slice.begin() + row * columns;
      std::transform(begin, begin + columns, in_frame(row), begin,
                     [](std::uint8_t voxel, std::uint8_t place) { return place == 2 ? std::uint8_t{1} : voxel; });
    }
  }
}

}  // namespace pulmoseg::masks
