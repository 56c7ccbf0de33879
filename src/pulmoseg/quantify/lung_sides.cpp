#include "pulmoseg/quantify/lung_sides.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "pulmoseg/masks/components.hpp"

namespace pulmoseg::quantify {
namespace {

using masks::Run;
using masks::RunMask;
using Pixels = std::vector<std::uint8_t>;
using Cut = std::vector<std::int64_t>;  // of each row the first column on the left; empty: a slice without lung

constexpr double smallest_share = 0.02;  // of the lungs' voxels: less is no lung
// Of a cut's area, over the square root of (the smaller side's volume times the lungs' height): so of its mean length in a slice
// against the size of what it severs. It keeps each of 30 real lungs whole when it is alone in its mask, and cuts the 15 pairs of
// them when they are grown until they touch.
constexpr double widest_contact = 0.5;

double contact_measure(double area, double volume, double height) { return area / std::sqrt(volume * height); }

/// Where the lungs are, seen along the rows and slices.
struct Profile {
  std::vector<double> voxels, contacts;  // of each column; contacts: pairs of voxels in it and in the column before
  double total = 0, slices = 0;

  explicit Profile(const RunMask& lung)
      : voxels(static_cast<std::size_t>(lung.size()[0]) + 1), contacts(voxels.size() + 1) {
    for (std::int64_t k = 0; k < lung.size()[2]; ++k) {
      slices += !lung.runs(k).empty();
      for (const Run& run : lung.runs(k)) add(run, lung.size()[0]);
    }
    for (auto* counts : {&voxels, &contacts}) {
      for (std::size_t c = 1; c < counts->size(); ++c) (*counts)[c] += (*counts)[c - 1];
    }
  }

  double mean_column(std::size_t first, std::size_t end) const {
    double sum = 0, count = 0;
    for (std::size_t c = first; c < end; ++c) {
      sum += static_cast<double>(c) * voxels[c];
      count += voxels[c];
    }
    return sum / count;
  }

 private:
  void add(const Run& run, std::int64_t columns) {  // as steps, summed up afterwards
    const auto begin = static_cast<std::size_t>(run.begin % columns), end = begin + (run.end - run.begin);
    ++voxels[begin];
    --voxels[end];
    ++contacts[begin + 1];
    --contacts[end];
    total += static_cast<double>(run.end - run.begin);
  }
};

/// Where cuts may run: columns first … last, about `middle`, the plane that severs least for what it severs.
struct Corridor {
  std::int64_t first, last;
  double middle;
};

std::optional<Corridor> find_corridor(const Profile& profile, const volume::Vector3& spacing) {
  struct Plane {
    double measure, smaller;
    std::size_t first, last;  // all that are as good
  };
  std::optional<Plane> best;
  const auto& [dx, dy, dz] = spacing;
  const std::size_t columns = profile.voxels.size() - 1;
  double right = 0;
  for (std::size_t c = 1; c < columns; ++c) {
    right += profile.voxels[c - 1];
    const double smaller = std::min(right, profile.total - right);
    if (smaller < smallest_share * profile.total) continue;
    const double measure = contact_measure(profile.contacts[c] * dy * dz, smaller * dx * dy * dz, profile.slices * dz);
    if (best && measure == best->measure && smaller == best->smaller && c == best->last + 1)
      best->last = c;
    else if (!best || measure < best->measure || (measure == best->measure && smaller > best->smaller))
      best = Plane{measure, smaller, c, c};
  }
  if (!best) return std::nullopt;
  const std::size_t plane = (best->first + best->last) / 2;
  return Corridor{static_cast<std::int64_t>(std::floor(profile.mean_column(0, plane))) + 1,
                  static_cast<std::int64_t>(std::ceil(profile.mean_column(plane, columns))),
                  static_cast<double>(plane)};
}

/// Cheapest cuts, slice by slice.
class Cutter {
 public:
  Cutter(const RunMask& lung, const volume::Vector3& spacing, const Corridor& corridor)
      : lung_(lung),
        spacing_(spacing),
        corridor_(corridor),
        width_(static_cast<std::size_t>(corridor.last - corridor.first + 1)),
        way_from_middle_(width_),
        cuts_(static_cast<std::size_t>(lung.size()[2])) {
    for (std::size_t x = 0; x < width_; ++x) {
      const double columns = std::abs(static_cast<double>(corridor.first) + static_cast<double>(x) - corridor.middle);
      way_from_middle_[x] = 1e-7 * spacing[1] * spacing[2] * columns;
    }
  }

  /// First upwards, each slice beside the one below; then downwards, beside both neighbours.
  std::vector<Cut> find() {
    const std::int64_t slices = lung_.size()[2];
    for (std::int64_t k = 0; k < slices; ++k) cut(k);
    for (std::int64_t k = slices - 1; k >= 0; --k) cut(k);
    return std::move(cuts_);
  }

 private:
  /// A slice's pixels in the corridor, 0 or 1, with the column right before it: those that position x lies between are
  /// line(row)[x] and line(row)[x + 1].
  struct Strip {
    std::size_t columns;
    Pixels pixels{};
    const std::uint8_t* line(std::size_t row) const { return pixels.data() + row * columns; }
  };

  struct Neighbour {
    Strip strip;
    const Cut* cut;
  };

  Strip strip_of(std::int64_t k) const {
    const Pixels pixels = lung_.pixels(k);
    const auto columns = static_cast<std::size_t>(lung_.size()[0]),
               first = static_cast<std::size_t>(corridor_.first) - 1;
    Strip strip{.columns = width_ + 1};
    for (std::size_t begin = first; begin < pixels.size(); begin += columns) {
      const auto line = std::span(pixels).subspan(begin, strip.columns);
      strip.pixels.insert(strip.pixels.end(), line.begin(), line.end());
    }
    return strip;
  }

  void cut(std::int64_t k) {
    if (lung_.runs(k).empty()) return;
    std::vector<Neighbour> neighbours;
    for (const std::int64_t other : {k - 1, k + 1}) {
      if (other < 0 || other >= lung_.size()[2] || cuts_[static_cast<std::size_t>(other)].empty()) continue;
      neighbours.push_back({strip_of(other), &cuts_[static_cast<std::size_t>(other)]});
    }
    cuts_[static_cast<std::size_t>(k)] = cheapest(k, neighbours);
  }

  /// In the rows that hold lung; the others sever nothing, and the cut goes straight on.
  Cut cheapest(std::int64_t k, const std::vector<Neighbour>& neighbours) const {
    const auto row_of = [&](const Run& run) { return static_cast<std::size_t>(run.begin / lung_.size()[0]); };
    const std::size_t first = row_of(lung_.runs(k).front()), last = row_of(lung_.runs(k).back());
    const Strip strip = strip_of(k);
    std::vector<double> cost(width_);
    std::vector<std::uint32_t> origins((last - first + 1) * width_);  // the position in the row before
    for (std::size_t row = first; row <= last; ++row) {
      const auto origin = std::span(origins).subspan((row - first) * width_, width_);
      std::iota(origin.begin(), origin.end(), 0U);
      if (row > first) move_sideways(strip.line(row - 1), strip.line(row), cost, origin);
      add_crossing(strip.line(row), cost);
      for (const Neighbour& neighbour : neighbours) {
        const std::int64_t there = (*neighbour.cut)[row] - corridor_.first;
        add_steps(strip.line(row), neighbour.strip.line(row), static_cast<std::size_t>(there), cost);
      }
    }
    auto x = static_cast<std::uint32_t>(std::ranges::min_element(cost) - cost.begin());
    Cut cut(static_cast<std::size_t>(lung_.size()[1]), corridor_.first + x);
    for (std::size_t row = last + 1; row-- > first; x = origins[(row - first) * width_ + x])
      cut[row] = corridor_.first + x;
    std::fill_n(cut.begin(), first, cut[first]);
    return cut;
  }

  /// From another position in the row before: severs the columns in between from that row.
  void move_sideways(const std::uint8_t* before, const std::uint8_t* line, std::vector<double>& cost,
                     std::span<std::uint32_t> origin) const {
    const double area = spacing_[0] * spacing_[2];
    const auto relax = [&](std::size_t from, std::size_t to, std::size_t column) {
      const double price = cost[from] + ((before[column] & line[column]) ? area : 0);
      if (price >= cost[to]) return;
      cost[to] = price;
      origin[to] = origin[from];
    };
    for (std::size_t x = 1; x < width_; ++x) relax(x - 1, x, x);
    for (std::size_t x = width_ - 1; x > 0; --x) relax(x, x - 1, x);
  }

  /// Between a column and the next, and, so small that it only decides between equals, the way from the middle.
  void add_crossing(const std::uint8_t* line, std::vector<double>& cost) const {
    const double area = spacing_[1] * spacing_[2];
    for (std::size_t x = 0; x < width_; ++x) cost[x] += ((line[x] & line[x + 1]) ? area : 0) + way_from_middle_[x];
  }

  /// Where a neighbour's cut lies elsewhere, the columns in between are severed from it.
  void add_steps(const std::uint8_t* line, const std::uint8_t* other, std::size_t there,
                 std::vector<double>& cost) const {
    const double area = spacing_[0] * spacing_[1];
    const auto between = [&](std::size_t column) { return (line[column] & other[column]) ? area : 0; };
    double severed = 0;
    for (std::size_t x = there + 1; x < width_; ++x) cost[x] += severed += between(x);
    severed = 0;
    for (std::size_t x = there; x-- > 0;) cost[x] += severed += between(x + 1);
  }

  const RunMask& lung_;
  volume::Vector3 spacing_;
  Corridor corridor_;
  std::size_t width_;
  std::vector<double> way_from_middle_;
  std::vector<Cut> cuts_;
};

/// A connected part of the lung mask and what the cuts make of it.
struct Part {
  double right = 0, left = 0;  // voxels
  double columns = 0;          // sum of its voxels' columns
  double severed = 0;          // mm²
  bool cut = false, is_left = false;
};

/// The two pieces of a run: right of the cut and left of it.
std::pair<Run, Run> split(const Run& run, const Cut& cut, std::int64_t columns) {
  const std::int64_t row = run.begin / columns;
  const auto at = static_cast<std::uint32_t>(row * columns + cut[static_cast<std::size_t>(row)]);
  const std::uint32_t middle = std::clamp(at, run.begin, run.end);
  return {{run.begin, middle}, {middle, run.end}};
}

std::vector<Part> parts_of(const RunMask& lung, const masks::Components& components, const std::vector<Cut>& cuts) {
  std::vector<Part> parts(components.voxels().size());
  auto part = components.part_of_run().begin();
  for (std::int64_t k = 0; k < lung.size()[2]; ++k) {
    for (const Run& run : lung.runs(k)) {
      const auto [right, left] = split(run, cuts[static_cast<std::size_t>(k)], lung.size()[0]);
      Part& of = parts[*part++];
      const double length = run.end - run.begin, first = static_cast<double>(run.begin % lung.size()[0]);
      of.right += right.end - right.begin;
      of.left += left.end - left.begin;
      of.columns += length * (first + (length - 1) / 2);
    }
  }
  return parts;
}

/// The parts of a slice's pixels, and whether they lie left of the cut.
struct LabelledSlice {
  std::vector<std::uint32_t> part;  // 0: none, else its number + 1
  std::vector<bool> left;
};

/// Adds the areas that the cuts sever to their parts.
void add_severed(std::vector<Part>& parts, const RunMask& lung, const masks::Components& components,
                 const std::vector<Cut>& cuts, const volume::Vector3& spacing) {
  const auto columns = static_cast<std::size_t>(lung.size()[0]),
             pixels = static_cast<std::size_t>(lung.pixels_of_slice());
  const auto& [dx, dy, dz] = spacing;
  auto number = components.part_of_run().begin();
  LabelledSlice below;
  for (std::int64_t k = 0; k < lung.size()[2]; ++k) {
    LabelledSlice slice{std::vector<std::uint32_t>(pixels), std::vector<bool>(pixels)};
    for (const Run& run : lung.runs(k)) {
      const auto [right, left] = split(run, cuts[static_cast<std::size_t>(k)], lung.size()[0]);
      std::fill(slice.part.begin() + run.begin, slice.part.begin() + run.end, *number++ + 1);
      std::fill(slice.left.begin() + left.begin, slice.left.begin() + left.end, true);
    }
    const auto sever = [&](std::size_t i, const LabelledSlice& other, std::size_t j, double area) {
      if (other.part[j] != 0 && slice.left[i] != other.left[j]) parts[slice.part[i] - 1].severed += area;
    };
    for (const Run& run : lung.runs(k)) {
      for (std::size_t i = run.begin; i < run.end; ++i) {
        if (i > run.begin) sever(i, slice, i - 1, dy * dz);
        if (i >= columns) sever(i, slice, i - columns, dx * dz);
        if (k > 0) sever(i, below, i, dx * dy);
      }
    }
    below = std::move(slice);
  }
}

/// How much of the lung lies on the smaller side of a column.
double smaller_share(const Profile& profile, std::size_t column) {
  double right = 0;
  for (std::size_t c = 0; c < column; ++c) right += profile.voxels[c];
  return std::min(right, profile.total - right) / profile.total;
}

/// Which parts are two lungs, and where the others lie.
void decide(std::vector<Part>& parts, const Profile& profile, const volume::Geometry& grid, LungSides& sides) {
  const double voxel = grid.spacing[0] * grid.spacing[1] * grid.spacing[2];
  const double middle = static_cast<double>(grid.size[0] - 1) / 2;
  const bool on_both_sides = smaller_share(profile, static_cast<std::size_t>(grid.size[0]) / 2) > 0.25;
  double right = 0, left = 0;
  for (Part& part : parts) {
    const double smaller = std::min(part.right, part.left);
    if (smaller >= smallest_share * profile.total) {
      const bool wide =
          contact_measure(part.severed, smaller * voxel, profile.slices * grid.spacing[2]) > widest_contact;
      part.cut = !wide || on_both_sides;
      sides.touch |= part.cut;
      sides.wide_contact |= part.cut && wide;
    }
    part.is_left = part.left > part.right;
    right += part.cut ? part.right : part.is_left ? 0 : part.right + part.left;
    left += part.cut ? part.left : part.is_left ? part.right + part.left : 0;
  }
  sides.one_lung = std::min(right, left) < smallest_share * profile.total;
  if (!sides.one_lung) return;
  for (Part& part : parts) part.is_left = part.columns > middle * (part.right + part.left);
}

void assign(const RunMask& lung, const masks::Components& components, const std::vector<Cut>& cuts,
            const std::vector<Part>& parts, LungSides& sides) {
  auto number = components.part_of_run().begin();
  for (std::int64_t k = 0; k < lung.size()[2]; ++k) {
    std::vector<Run> right, left;
    for (const Run& run : lung.runs(k)) {
      const Part& part = parts[*number++];
      if (!part.cut) {
        (part.is_left ? left : right).push_back(run);
        continue;
      }
      const auto [on_right, on_left] = split(run, cuts[static_cast<std::size_t>(k)], lung.size()[0]);
      if (on_right.begin < on_right.end) right.push_back(on_right);
      if (on_left.begin < on_left.end) left.push_back(on_left);
    }
    sides.right.set(k, std::move(right));
    sides.left.set(k, std::move(left));
  }
}

}  // namespace

LungSides tell_sides_apart(const RunMask& lung, const volume::Geometry& grid) {
  LungSides sides{RunMask(lung.size()), RunMask(lung.size())};
  const Profile profile(lung);
  if (profile.total == 0) return sides;
  const auto corridor = find_corridor(profile, grid.spacing);
  const Cut whole(static_cast<std::size_t>(grid.size[1]), grid.size[0]);
  std::vector<Cut> cuts(static_cast<std::size_t>(grid.size[2]), whole);
  if (corridor) cuts = Cutter(lung, grid.spacing, *corridor).find();
  const masks::Components components(lung);
  std::vector<Part> parts = parts_of(lung, components, cuts);
  const auto is_cut = [](const Part& part) { return part.right > 0 && part.left > 0; };
  if (std::ranges::any_of(parts, is_cut)) add_severed(parts, lung, components, cuts, grid.spacing);
  decide(parts, profile, grid, sides);
  assign(lung, components, cuts, parts, sides);
  return sides;
}

}  // namespace pulmoseg::quantify
