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

  bool operator==(const Appearance&) const = default;
};

/// The appearance of a slice in an epoch: depends on the seed, the epoch and the row alone. Of all slices, the share
/// options.appearance is changed. Of those, a third each has a resolution down to a quarter, blur up to 1 pixel and noise up to
/// 0.05; half each has a window that cuts off up to 0.15 at its low and its high end; all have a gamma between e^-0.35 and
/// e^0.35; a third is mixed with its equalised form, clip limit 1 to 4.
Appearance draw_appearance(const TrainingOptions& options, std::int64_t epoch, std::int64_t row);

/// Then scaled by smallest and largest pixel to [0, 1], as every slice is that a network sees. `pixels`: size x size.
void change_appearance(std::span<float> pixels, std::int64_t size, const Appearance& appearance);

}  // namespace pulmoseg::training
