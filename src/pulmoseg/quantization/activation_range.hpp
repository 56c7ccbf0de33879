#pragma once
// Which values of a tensor 256 whole numbers shall stand for.
//
// The smallest and the largest value that were ever seen make a poor range: one outlier widens every step. The range is the one
// that gives the least squared error over all values seen: a step's variance for those inside, the distance to it for those
// outside (the error that Banner et al. 2019, "Post training 4-bit quantization of convolutional networks", minimise too).

#include <cstdint>
#include <span>
#include <vector>

namespace pulmoseg::quantization {

struct Range {
  float low = 0, high = 0;  ///< low <= 0 <= high: zero has a whole number of its own
  bool operator==(const Range&) const = default;
};

/// How often values of each size were seen. Grows with the values; adding in another order may change the last bins, not more.
class Histogram {
 public:
  /// Error for values that are not finite.
  void add(std::span<const float> values);

  /// Of the values seen so far; {0, 0} before the first.
  Range extremes() const { return {low_, high_}; }

  /// The range of least squared error in `levels` whole numbers.
  Range best_range(int levels = 256) const;

 private:
  double error_of(const Range& range, int levels) const;
  double centre(std::size_t bin) const;

  double limit_ = 0;  ///< bins lie between -limit and limit
  float low_ = 0, high_ = 0;
  std::vector<std::int64_t> bins_;
};

}  // namespace pulmoseg::quantization
