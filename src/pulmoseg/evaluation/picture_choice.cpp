#include "pulmoseg/evaluation/picture_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <random>

namespace pulmoseg::evaluation {
namespace {

/// Positions of the slices with lesion, best Dice first.
std::vector<std::size_t> rank_lesion_slices(std::span<const metrics::SliceResult> slices) {
  std::vector<std::size_t> ranked;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].counts.truth_has_lesion()) ranked.push_back(i);
  }
  std::ranges::stable_sort(ranked, std::greater{},
                           [&](std::size_t i) { return metrics::slice_dice(slices[i].counts); });
  return ranked;
}

/// Picks slices that nobody picked before.
class Picker {
 public:
  explicit Picker(std::size_t slices) : taken_(slices, false) {}

  /// The first of `candidates` that is free, if there is one.
  void pick(const char* group, std::int64_t rank, std::span<const std::size_t> candidates) {
    const auto free = std::ranges::find_if(candidates, [&](std::size_t slice) { return !taken_[slice]; });
    if (free == candidates.end()) return;
    taken_[*free] = true;
    choices_.push_back({group, rank, *free});
  }

  std::vector<std::size_t> free_slices() const {
    std::vector<std::size_t> free;
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      if (!taken_[i]) free.push_back(i);
    }
    return free;
  }

  std::size_t picked() const { return choices_.size(); }
  std::vector<PictureChoice> take_choices() { return std::move(choices_); }

 private:
  std::vector<bool> taken_;
  std::vector<PictureChoice> choices_;
};

/// The middle first, then its neighbours to both sides.
std::vector<std::size_t> from_the_middle(std::span<const std::size_t> ranked) {
  std::vector<std::size_t> order;
  const auto middle = static_cast<std::ptrdiff_t>(ranked.size() / 2), end = static_cast<std::ptrdiff_t>(ranked.size());
  for (std::ptrdiff_t step = 0; step <= middle; ++step) {
    if (middle + step < end) order.push_back(ranked[static_cast<std::size_t>(middle + step)]);
    if (step > 0) order.push_back(ranked[static_cast<std::size_t>(middle - step)]);
  }
  return order;
}

/// The first `count` of a shuffle, drawn from the generator itself: what std::shuffle does is left to each library.
std::vector<std::size_t> draw(std::vector<std::size_t> from, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  count = std::min(count, from.size());
  for (std::size_t i = 0; i < count; ++i) std::swap(from[i], from[i + ((random() >> 32) * (from.size() - i) >> 32)]);
  from.resize(count);
  std::ranges::sort(from);
  return from;
}

}  // namespace

std::vector<PictureChoice> choose_pictures(std::span<const metrics::SliceResult> slices, std::int64_t count,
                                           std::uint64_t seed) {
  const std::vector<std::size_t> best_first = rank_lesion_slices(slices), middle = from_the_middle(best_first);
  const std::vector<std::size_t> worst_first(best_first.rbegin(), best_first.rend());
  Picker picker(slices.size());
  // In turns, so that of few slices the best ones do not become the last of the worst.
  for (std::int64_t rank = 1; 4 * (rank - 1) < count; ++rank) {
    const std::int64_t left = count - 4 * (rank - 1);
    picker.pick("worst", rank, worst_first);
    if (left > 1) picker.pick("best", rank, best_first);
    if (left > 2) picker.pick("median", rank, middle);
  }
  const std::size_t left = static_cast<std::size_t>(std::max<std::int64_t>(count, 0)) - picker.picked();
  std::int64_t rank = 1;
  for (const std::size_t slice : draw(picker.free_slices(), left, seed)) picker.pick("sample", rank++, {&slice, 1});
  return picker.take_choices();
}

std::string picture_name(const PictureChoice& choice, const metrics::SliceResult& slice) {
  std::string name = slice.case_name;
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && !std::isalnum(byte) && c != '.' && c != '-') c = '_';
  }
  if (name.size() > 100) {
    std::size_t length = 100;
    while (length > 0 && (static_cast<unsigned char>(name[length]) & 0xC0) == 0x80) --length;  // not within a character
    name.resize(length);
  }
  return fmt::format("{}_{}_{}_slice{:03}.png", choice.group, choice.rank, name, slice.slice);
}

}  // namespace pulmoseg::evaluation
