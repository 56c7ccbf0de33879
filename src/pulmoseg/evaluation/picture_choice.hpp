#pragma once
// Which slices of an evaluation are drawn: not only the pretty ones.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/metrics/figures.hpp"

namespace pulmoseg::evaluation {

struct PictureChoice {
  std::string group;      ///< "best", "median", "worst" or "sample"
  std::int64_t rank = 1;  ///< from 1 within the group: best 1 is the very best, worst 1 the very worst
  std::size_t slice = 0;  ///< position in the list of slices
};

/// Chooses `count` slices (all, when there are fewer), none twice: best, worst and median by Dice among those with lesion in
/// the truth, in turns, and a random sample of the rest, slices without lesion among them. Each group gets a quarter; what does
/// not divide goes first to worst, then best, then median, and the sample fills what is left. Of equal Dice, the earlier slice
/// counts as the better. The same slices and seed give the same choice on every machine.
std::vector<PictureChoice> choose_pictures(std::span<const metrics::SliceResult> slices, std::int64_t count,
                                           std::uint64_t seed);

/// "worst_1_radiopaedia_10_85_slice042.png": of the case's name, letters, digits, '.', '-' and what is not ASCII stay,
/// everything else becomes '_', and no more than 100 bytes are kept.
std::string picture_name(const PictureChoice& choice, const metrics::SliceResult& slice);

}  // namespace pulmoseg::evaluation
