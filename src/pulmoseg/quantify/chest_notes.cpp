#include "pulmoseg/quantify/chest_notes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>

namespace pulmoseg::quantify {
namespace {

// Air in the body as a share of the body's cross-section, in the slice where it is largest: 0.45 to 0.62 in chests (0.46 with one
// lung destroyed), up to 0.05 in abdomens with gas in the bowel.
constexpr double smallest_air_share = 0.10;
constexpr double smallest_mask_share = 0.02;  // of the picture: the lungs of an infant in an adult's field of view
// A picture cut out of the chest has no rim of air around the body, so that its lungs may be taken for the outside. Between
// these two there is lung, but hardly a blanket or bowel gas.
constexpr int lung_like_from_hu = -950, lung_like_to_hu = -600;
constexpr double lung_like_share = 0.15;

// Against the largest cross-section of the lungs. In complete scans 0.014 at most: the trachea.
constexpr double cut_share = 0.05;
constexpr int fewest_slices = 20;  // a slice every 12 to 15 mm; each then is 5 % of the lungs' volume

// Unenhanced blood has 30 to 60 HU: 50, 58 and 64 at this percentile in the scans at hand. Contrast medium makes it 120 to 400.
constexpr double bright_percentile = 0.9, enhanced_hu = 110;
constexpr std::size_t fewest_blood_blocks = 100;
constexpr double central_area = 0.2;  // slices with less lung, of the largest, say nothing of the heart
constexpr double heart_front = 0.15, heart_back = 0.55;  // of the lungs' depth: behind the sternum, before the spine

constexpr int bone_hu = 200;

std::size_t size_t_of(std::int64_t n) { return static_cast<std::size_t>(n); }

/// One slice of both, and the box around its body.
struct View {
  std::span<const std::int16_t> hu;
  std::vector<std::uint8_t> body, lungs;
  std::int64_t columns, rows;

  std::size_t at(std::int64_t row, std::int64_t column) const { return size_t_of(row * columns + column); }
};

View view_of(const SmallVolume& scan, const Chest& chest, std::int64_t k) {
  return {scan.slice(k), chest.body.pixels(k), chest.lungs.pixels(k), scan.size()[0], scan.size()[1]};
}

/// First and one past the last column and row of a mask; all 0 when it is empty.
struct Box {
  std::int64_t left = 0, right = 0, top = 0, bottom = 0;
  std::int64_t width() const { return right - left; }
  std::int64_t height() const { return bottom - top; }
};

Box box_of(std::span<const std::uint8_t> mask, std::int64_t columns) {
  Box box;
  bool first = true;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(mask.size()); ++i) {
    if (!mask[size_t_of(i)]) continue;
    const std::int64_t x = i % columns, y = i / columns;
    if (first) box = {x, x + 1, y, y + 1};
    first = false;
    box.left = std::min(box.left, x);
    box.right = std::max(box.right, x + 1);
    box.bottom = std::max(box.bottom, y + 1);
  }
  return box;
}

double share_of(std::int64_t part, std::int64_t whole) {
  return whole ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

std::int64_t count(const masks::RunMask& mask, std::int64_t slice) {
  std::int64_t pixels = 0;
  for (const auto& run : mask.runs(slice)) pixels += run.end - run.begin;
  return pixels;
}

/// The slices with at least this share of the largest cross-section of the lungs.
std::vector<std::int64_t> slices_with(const masks::RunMask& lungs, double share) {
  const auto area = extent_of(lungs).area;
  const double least = std::max(1.0, share * *std::ranges::max_element(area));
  std::vector<std::int64_t> slices;
  for (std::size_t k = 0; k < area.size(); ++k) {
    if (area[k] >= least) slices.push_back(static_cast<std::int64_t>(k));
  }
  return slices;
}

double value_at(std::vector<double>& values, double percentile) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(percentile * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

// Blood -------------------------------------------------------------------------------------------------------------------

/// 1 between the lungs of a row, where the heart and the great vessels are.
std::vector<std::uint8_t> between_lungs(const View& view) {
  const Box lungs = box_of(view.lungs, view.columns);
  const auto depth = static_cast<double>(lungs.height());
  const std::int64_t middle = (lungs.left + lungs.right) / 2;
  std::vector<std::uint8_t> between(view.body.size());
  for (auto y = lungs.top + std::int64_t(heart_front * depth); y < lungs.top + std::int64_t(heart_back * depth); ++y) {
    std::int64_t from = middle, to = middle;  // the inner edges of both lungs
    while (from >= lungs.left && !view.lungs[view.at(y, from)]) --from;
    while (to < lungs.right && !view.lungs[view.at(y, to)]) ++to;
    if (from < lungs.left || to == lungs.right) continue;
    for (auto x = from + 1; x < to; ++x) between[view.at(y, x)] = view.hu[view.at(y, x)] > -50;
  }
  return between;
}

/// Means of 3 x 3 blocks that all lie in the soft tissue between the lungs.
void collect_blood(const View& view, std::vector<double>& means) {
  const auto between = between_lungs(view);
  for (std::int64_t y = 1; y + 1 < view.rows; ++y) {
    for (std::int64_t x = 1; x + 1 < view.columns; ++x) {
      int inside = 0, sum = 0;
      for (std::int64_t dy = -1; dy <= 1; ++dy) {
        for (std::int64_t dx = -1; dx <= 1; ++dx) {
          inside += between[view.at(y + dy, x + dx)];
          sum += view.hu[view.at(y + dy, x + dx)];
        }
      }
      if (inside == 9) means.push_back(sum / 9.0);
    }
  }
}

// Orientation --------------------------------------------------------------------------------------------------------------

constexpr double spine_area = 0.5;    // of the largest cross-section: shoulders and abdomen do not vote
constexpr double spine_strip = 0.15;  // half of its width, of the body's
constexpr double outer = 0.3;         // of the body's depth or width
constexpr double spine_margin =
    2;  // in scans as their headers say: back is 8 times front or more, 4 times each side or more

/// Bone in the outer third of the body at each of its four sides, within a strip through its middle.
struct BoneBySide {
  double front = 0, back = 0, right = 0, left = 0;
};

BoneBySide bone_by_side(const SmallVolume& scan, const Chest& chest, const std::vector<std::int64_t>& slices) {
  BoneBySide bone;
  for (const auto k : slices) {
    const View view = view_of(scan, chest, k);
    const Box body = box_of(view.body, view.columns);
    for (auto y = body.top; y < body.bottom; ++y) {
      const double v = share_of(y - body.top, body.height() - 1);
      for (auto x = body.left; x < body.right; ++x) {
        if (!view.body[view.at(y, x)] || view.hu[view.at(y, x)] <= bone_hu) continue;
        const double u = share_of(x - body.left, body.width() - 1);
        if (std::abs(u - 0.5) <= spine_strip) (v < outer ? bone.front : bone.back) += v < outer || v > 1 - outer;
        if (std::abs(v - 0.5) <= spine_strip) (u < outer ? bone.right : bone.left) += u < outer || u > 1 - outer;
      }
    }
  }
  return bone;
}

std::optional<std::string> spine_elsewhere(const SmallVolume& scan, const Chest& chest) {
  const auto slices = slices_with(chest.lungs, spine_area);
  const BoneBySide bone = bone_by_side(scan, chest, slices);
  const double least = std::max(static_cast<double>(slices.size()), spine_margin * bone.back);
  if (bone.front > least && bone.front > std::max(bone.left, bone.right)) return "the spine lies in front";
  // Both walls have ribs: a spine is on one side only.
  if (bone.left > least && bone.left > spine_margin * bone.right) return "the spine lies at the left";
  if (bone.right > least && bone.right > spine_margin * bone.left) return "the spine lies at the right";
  return std::nullopt;
}

constexpr double end_part = 0.2;      // of the lungs' height
constexpr double end_area = 0.02;     // less lung than this, of the largest cross-section, is the trachea or bowel
constexpr double upside_down = 0.55;  // product of both ratios: 2.3 to 3.9 in scans as their headers say

/// Shoulder girdle and upper ribs give the lungs' upper end two to three times as much bone as the lower end has, and the lungs are
/// widest at their base. Both together, upper against lower: 2.3 or more.
std::optional<std::string> is_upside_down(const SmallVolume& scan, const Chest& chest) {
  const auto slices = slices_with(chest.lungs, end_area);
  const auto part = static_cast<std::size_t>(end_part * static_cast<double>(slices.size()));
  if (part == 0) return std::nullopt;
  const auto bone_share_and_width = [&](std::span<const std::int64_t> of) {
    std::int64_t bone = 0, body = 0, width = 0;
    for (const auto k : of) {
      const View view = view_of(scan, chest, k);
      for (std::size_t i = 0; i < view.body.size(); ++i) bone += view.body[i] && view.hu[i] > bone_hu;
      body += count(chest.body, k);
      width += box_of(view.lungs, view.columns).width();
    }
    return std::pair(share_of(bone, body), static_cast<double>(width));
  };
  const auto [low_bone, low_width] = bone_share_and_width(std::span(slices).first(part));
  const auto [high_bone, high_width] = bone_share_and_width(std::span(slices).last(part));
  if (high_bone == 0 || low_bone == 0) return std::nullopt;
  if (high_bone / low_bone * low_width / high_width > upside_down) return std::nullopt;
  return "the shoulders lie below the lungs and their wide base above";
}

constexpr double liver_from = 1.0 / 6, liver_to = 1.0 / 8;  // below and above the lungs' lower end, of their height
constexpr double liver_margin = 1.5;                        // right by left: 1.7 to 3.1 in scans as their headers say
constexpr double organ_front = 0.1, organ_back = 0.6;       // of the body's depth
constexpr double beside_middle = 0.05;                      // of the body's width

/// Solid tissue at the right and at the left of the body around the lungs' lower end, in blocks.
std::array<std::int64_t, 2> organs(const SmallVolume& scan, const Chest& chest,
                                   const std::vector<std::int64_t>& slices) {
  const auto height = static_cast<double>(slices.size());
  const auto first = std::max<std::int64_t>(0, slices.front() - std::int64_t(liver_from * height));
  std::array<std::int64_t, 2> solid{};
  for (auto k = first; k < slices.front() + std::int64_t(liver_to * height); ++k) {
    const View view = view_of(scan, chest, k);
    const Box body = box_of(view.body, view.columns);
    for (auto y = body.top; y < body.bottom; ++y) {
      const double v = share_of(y - body.top, body.height());
      if (v < organ_front || v > organ_back) continue;
      for (auto x = body.left; x < body.right; ++x) {
        const double u = share_of(x - body.left, body.width() - 1) - 0.5;
        const int hu = view.hu[view.at(y, x)];
        if (view.body[view.at(y, x)] && hu > 0 && hu < 250 && std::abs(u) > beside_middle) ++solid[u > 0];
      }
    }
  }
  return solid;
}

/// How far the heart leans to the left of the spine, as a share of the body's width; the lower half of the lungs.
double heart_lean(const SmallVolume& scan, const Chest& chest) {
  auto slices = slices_with(chest.lungs, spine_area);
  slices.resize(slices.size() / 2);
  double lean = 0;
  for (const auto k : slices) {
    const View view = view_of(scan, chest, k);
    const Box body = box_of(view.body, view.columns);
    double spine = 0, heart = 0;
    std::int64_t spine_blocks = 0, heart_blocks = 0;
    const auto between = between_lungs(view);
    for (auto y = body.top; y < body.bottom; ++y) {
      for (auto x = body.left; x < body.right; ++x) {
        const double u = share_of(x - body.left, body.width() - 1) - 0.5;
        const bool bone =
            view.hu[view.at(y, x)] > bone_hu && std::abs(u) < 0.2 && share_of(y - body.top, body.height()) > 1 - outer;
        if (bone) spine += u, ++spine_blocks;
        if (between[view.at(y, x)]) heart += u, ++heart_blocks;
      }
    }
    if (spine_blocks && heart_blocks)
      lean += heart / static_cast<double>(heart_blocks) - spine / static_cast<double>(spine_blocks);
  }
  return slices.empty() ? 0 : lean / static_cast<double>(slices.size());
}

std::optional<std::string> sides_swapped(const SmallVolume& scan, const Chest& chest) {
  const auto slices = slices_with(chest.lungs, end_area);
  if (slices.empty() || slices.front() == 0) return std::nullopt;  // the abdomen is not in the picture
  const auto [right, left] = organs(scan, chest, slices);
  if (static_cast<double>(left) < liver_margin * static_cast<double>(right) || left == 0) return std::nullopt;
  if (heart_lean(scan, chest) > 0) return std::nullopt;
  return "the liver lies at the left (or the patient's organs are mirrored, situs inversus)";
}

Note contradiction(std::string_view found) {
  return {"wrong_orientation",
          fmt::format("the picture contradicts its header: {}; which way is left and which is up is not known", found)};
}

}  // namespace

LungExtent extent_of(const masks::RunMask& lungs) {
  LungExtent extent;
  for (std::int64_t k = 0; k < lungs.size()[2]; ++k) extent.area.push_back(static_cast<double>(count(lungs, k)));
  extent.at_face[lower] = extent.area.front();
  extent.at_face[upper] = extent.area.back();
  return extent;
}

std::optional<Note> not_chest_by_mask(double share) {
  if (share >= smallest_mask_share) return std::nullopt;
  return Note{"not_chest",
              fmt::format("this may be no chest CT: the lung mask covers {:.1f} % of a slice at most", 100 * share)};
}

std::optional<Note> not_chest_by_density(const SmallVolume& scan, const Chest& chest) {
  double share = 0, lung_like = 0;
  for (std::int64_t k = 0; k < scan.size()[2]; ++k) {
    share = std::max(share, share_of(count(chest.lungs, k), count(chest.body, k)));
    const auto hu = scan.slice(k);
    const auto like = std::ranges::count_if(hu, [](int v) { return v > lung_like_from_hu && v < lung_like_to_hu; });
    lung_like = std::max(lung_like, share_of(like, static_cast<std::int64_t>(hu.size())));
  }
  if (share >= smallest_air_share || lung_like >= lung_like_share) return std::nullopt;
  return Note{"not_chest",
              fmt::format("this may be no chest CT: air fills {:.0f} % of the body's cross-section at most, "
                          "lungs 40 to 60",
                          100 * share)};
}

std::optional<Note> lungs_cut(const LungExtent& lungs) {
  constexpr std::array names{"lower end", "upper end", "right side", "left side", "front", "back"};
  const double largest = *std::ranges::max_element(lungs.area);
  if (lungs.area.size() < 2 || largest == 0) return std::nullopt;
  std::vector<std::string> where;
  for (std::size_t face = 0; face < names.size(); ++face) {
    const double share = lungs.at_face[face] / largest;
    if (share > cut_share) where.push_back(fmt::format("{} ({:.0f} %)", names[face], 100 * share));
  }
  if (where.empty()) return std::nullopt;
  return Note{"lungs_cut", fmt::format("the picture ends within the lungs, so that a part of them is not measured: {}; "
                                       "percentages are of the lungs' largest cross-section",
                                       fmt::join(where, ", "))};
}

std::optional<Note> too_few_slices(const LungExtent& lungs) {
  const auto all = static_cast<std::int64_t>(lungs.area.size());
  const auto through = std::ranges::count_if(lungs.area, [](double area) { return area > 0; });
  const auto slices = through ? through : all;
  if (all == 1 || slices >= fewest_slices) return std::nullopt;
  return Note{"too_few_slices",
              fmt::format("{} {}{}: too few to measure volumes with confidence (at least {})", slices,
                          slices == 1 ? "slice" : "slices", through ? " through the lungs" : "", fewest_slices)};
}

std::optional<Note> contrast_by_density(const SmallVolume& scan, const Chest& chest) {
  std::vector<double> means;
  for (const auto k : slices_with(chest.lungs, central_area)) collect_blood(view_of(scan, chest, k), means);
  if (means.size() < fewest_blood_blocks) return std::nullopt;
  const double bright = value_at(means, bright_percentile);
  if (bright < enhanced_hu) return std::nullopt;
  return Note{"contrast_enhanced",
              fmt::format("the tissue between the lungs is bright (a tenth of it above {:.0f} HU), as after contrast "
                          "medium: the lung's densities are higher than without",
                          bright)};
}

std::optional<Note> wrong_orientation_by_density(const SmallVolume& scan, const Chest& chest) {
  // The later ones take the earlier for granted.
  auto found = spine_elsewhere(scan, chest);
  if (!found) found = is_upside_down(scan, chest);
  if (!found) found = sides_swapped(scan, chest);
  return found ? std::optional(contradiction(*found)) : std::nullopt;
}

std::optional<Note> wrong_orientation_by_mask(const std::vector<LungOutline>& lungs) {
  if (!tapers_downwards(lungs)) return std::nullopt;
  return contradiction("the lungs grow narrower from their upper end to their lower one");
}

}  // namespace pulmoseg::quantify
