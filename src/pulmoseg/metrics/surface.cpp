#include "pulmoseg/metrics/surface.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/metrics/quantile.hpp"

namespace pulmoseg::metrics {
namespace {

using Index = std::array<std::int64_t, 3>;

constexpr float infinity = std::numeric_limits<float>::infinity();

std::int64_t volume(const Index& size) { return size[0] * size[1] * size[2]; }

/// The distance in memory between neighbours along each axis.
Index strides(const Index& size) { return {1, size[0], size[0] * size[1]}; }

void check(std::span<const std::uint8_t> mask, const MaskGrid& grid) {
  if (std::ssize(mask) != volume(grid.size)) {
    throw Error(fmt::format("a mask of {} voxels does not lie on a grid of {}x{}x{}; both masks must be of one size",
                            mask.size(), grid.size[0], grid.size[1], grid.size[2]));
  }
  for (const double spacing : grid.spacing) {
    if (!(spacing > 0) || !std::isfinite(spacing))
      throw Error(fmt::format("a spacing between voxels is {}, expected a finite one above 0", spacing));
  }
}

/// Calls visit(index, offset in memory) for every voxel, in the order of memory.
template <class Visit>
void for_each_voxel(const Index& size, Visit visit) {
  std::int64_t offset = 0;
  Index at;
  for (at[2] = 0; at[2] < size[2]; ++at[2]) {
    for (at[1] = 0; at[1] < size[1]; ++at[1]) {
      for (at[0] = 0; at[0] < size[0]; ++at[0]) visit(at, offset++);
    }
  }
}

/// The smallest box that holds both masks: what lies outside of it is background. Empty where both are.
struct Box {
  Index begin, size;
};

Box box_around(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other, const Index& size) {
  Index begin = size, end{0, 0, 0};
  for_each_voxel(size, [&](const Index& at, std::int64_t offset) {
    const auto i = static_cast<std::size_t>(offset);
    if (one[i] == 0 && other[i] == 0) return;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      begin[axis] = std::min(begin[axis], at[axis]);
      end[axis] = std::max(end[axis], at[axis] + 1);
    }
  });
  Box box{begin, {0, 0, 0}};
  for (std::size_t axis = 0; axis < 3; ++axis) box.size[axis] = std::max<std::int64_t>(end[axis] - begin[axis], 0);
  return box;
}

std::vector<std::uint8_t> cut(std::span<const std::uint8_t> mask, const Index& size, const Box& box) {
  std::vector<std::uint8_t> part;
  part.reserve(static_cast<std::size_t>(volume(box.size)));
  const Index steps = strides(size);
  for_each_voxel(box.size, [&](const Index& at, std::int64_t) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) offset += (box.begin[axis] + at[axis]) * steps[axis];
    part.push_back(mask[static_cast<std::size_t>(offset)] != 0);
  });
  return part;
}

/// 1 for voxels with a face neighbour outside of the mask. Along an axis that the grid has only one layer of there is no
/// outside: a picture's surface is its outline.
std::vector<std::uint8_t> surface_of(const std::vector<std::uint8_t>& mask, const Index& size, const Index& grid_size) {
  std::vector<std::uint8_t> surface(mask.size());
  const Index steps = strides(size);
  for_each_voxel(size, [&](const Index& at, std::int64_t offset) {
    const auto inside = [&](std::int64_t neighbour) { return mask[static_cast<std::size_t>(neighbour)] != 0; };
    if (!inside(offset)) return;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (grid_size[axis] == 1) continue;
      const bool both_inside =
          at[axis] > 0 && inside(offset - steps[axis]) && at[axis] + 1 < size[axis] && inside(offset + steps[axis]);
      if (!both_inside) surface[static_cast<std::size_t>(offset)] = 1;
    }
  });
  return surface;
}

/// One line of the distance transform: f becomes min over q of (x - q)² spacing² + f(q), from the lower envelope of the
/// parabolas that stand on the points of f.
class LineTransform {
 public:
  LineTransform(std::int64_t length, double spacing)
      : squared_spacing_(spacing * spacing),
        values_(static_cast<std::size_t>(length)),
        feet_(values_.size()),
        borders_(values_.size()) {}

  /// `first`: of a line whose points lie `step` apart in memory.
  void run(float* first, std::int64_t step) {
    parabolas_ = 0;
    for (std::size_t x = 0; x < values_.size(); ++x) {
      values_[x] = first[static_cast<std::int64_t>(x) * step];
      if (values_[x] < infinity) add(x);
    }
    if (parabolas_ == 0) return;
    for (std::size_t x = 0, lowest = 0; x < values_.size(); ++x) {
      while (lowest + 1 < parabolas_ && borders_[lowest + 1] < static_cast<double>(x)) ++lowest;
      const double way = static_cast<double>(x) - static_cast<double>(feet_[lowest]);
      first[static_cast<std::int64_t>(x) * step] =
          static_cast<float>(way * way * squared_spacing_ + values_[feet_[lowest]]);
    }
  }

 private:
  void add(std::size_t foot) {
    double border = -std::numeric_limits<double>::infinity();  // of the first, which no other one hides
    for (; parabolas_ > 0; --parabolas_) {
      border = meeting_point(feet_[parabolas_ - 1], foot);
      if (border > borders_[parabolas_ - 1]) break;
    }
    feet_[parabolas_] = foot;
    borders_[parabolas_++] = border;
  }

  /// Where the parabola on the later foot becomes the lower one.
  double meeting_point(std::size_t earlier, std::size_t later) const {
    const auto p = static_cast<double>(earlier), q = static_cast<double>(later);
    return ((values_[later] - values_[earlier]) / squared_spacing_ + q * q - p * p) / (2 * (q - p));
  }

  double squared_spacing_;
  std::vector<double> values_;
  std::vector<std::size_t> feet_;  // of the parabolas that are lowest somewhere, by place; the first parabolas_ count
  std::vector<double> borders_;    // from where on each is the lowest
  std::size_t parabolas_ = 0;
};

/// For every voxel the squared distance to the nearest voxel of the surface.
std::vector<float> squared_distances(const std::vector<std::uint8_t>& surface, const Index& size,
                                     const std::array<double, 3>& spacing) {
  std::vector<float> squares(surface.size(), infinity);
  for (std::size_t i = 0; i < surface.size(); ++i) {
    if (surface[i] != 0) squares[i] = 0;
  }
  const Index steps = strides(size);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (size[axis] < 2) continue;
    LineTransform transform(size[axis], spacing[axis]);
    Index lines = size;
    lines[axis] = 1;
    for_each_voxel(lines, [&](const Index& at, std::int64_t) {
      transform.run(squares.data() + at[0] * steps[0] + at[1] * steps[1] + at[2] * steps[2], steps[axis]);
    });
  }
  return squares;
}

std::vector<double> distances(const std::vector<std::uint8_t>& from, const std::vector<std::uint8_t>& to,
                              const Index& size, const std::array<double, 3>& spacing) {
  const std::vector<float> squares = squared_distances(to, size, spacing);
  std::vector<double> found;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 0) found.push_back(std::sqrt(static_cast<double>(squares[i])));
  }
  return found;
}

double percentile_95(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.95);
}

}  // namespace

SurfaceDistances surface_distances(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                                   const MaskGrid& grid) {
  check(prediction, grid);
  check(truth, grid);
  const Box box = box_around(prediction, truth, grid.size);
  const auto found = surface_of(cut(prediction, grid.size, box), box.size, grid.size);
  const auto true_one = surface_of(cut(truth, grid.size, box), box.size, grid.size);
  return {.from_prediction = distances(found, true_one, box.size, grid.spacing),
          .from_truth = distances(true_one, found, box.size, grid.spacing)};
}

std::optional<double> normalised_surface_dice(const SurfaceDistances& distances, double tolerance) {
  const std::size_t all = distances.from_prediction.size() + distances.from_truth.size();
  if (all == 0) return std::nullopt;
  const auto near = [tolerance](const std::vector<double>& values) {
    return std::ranges::count_if(values, [tolerance](double distance) { return distance <= tolerance; });
  };
  return static_cast<double>(near(distances.from_prediction) + near(distances.from_truth)) / static_cast<double>(all);
}

std::optional<double> hausdorff_95(const SurfaceDistances& distances) {
  if (distances.from_prediction.empty() || distances.from_truth.empty()) return std::nullopt;
  return std::max(percentile_95(distances.from_prediction), percentile_95(distances.from_truth));
}

}  // namespace pulmoseg::metrics
