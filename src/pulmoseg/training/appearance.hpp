#pragma once
// How a slice looks: the same lung through another scanner, another window, another export. Drawn anew for each slice and epoch,
// so that a network learns what these have in common. Masks do not change.

#include <cstdint>
#include <span>

#include "pulmoseg/training/options.hpp"

namespace pulmoseg::training {

/// Applied in this order to pixels in [0, 1]; what is at its default changes nothing.
struct Appearance {
  double resolution = 1;                   ///< shrunk to this share of rows and columns, and enlarged again
  double blur = 0;                         ///< standard deviation of a Gaussian, in pixels
  double noise = 0;                        ///< standard deviation of white noise
  double window_low = 0, window_high = 1;  ///< greys beyond are cut off; the rest is stretched
  double gamma = 1;                        ///< exponent
  double equalisation = 0;  ///< share of contrast-limited equalisation (dataset/clahe.hpp) in the mixture
  double clip_limit = 2;    ///< of that
  std::uint64_t noise_key = 0;
};

/// The appearance of a slice in an epoch: depends on the seed, the epoch and the row alone. Of strength options.appearance, 0 to
/// 1: resolution down to 1 - s/2, blur up to s pixels and noise up to 0.05 s in a third of the slices each; a window that cuts
/// off up to 0.3 s at either end in half of them; gamma e^-0.7s to e^0.7s; equalisation in a third, clip limit 1 to 4.
Appearance draw_appearance(const TrainingOptions& options, std::int64_t epoch, std::int64_t row);

/// Then scaled by smallest and largest pixel to [0, 1], as every slice is that a network sees. `pixels`: size x size.
void change_appearance(std::span<float> pixels, std::int64_t size, const Appearance& appearance);

}  // namespace pulmoseg::training
