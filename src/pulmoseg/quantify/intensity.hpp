#pragma once
// What the numbers of a scan look like: range, percentiles, and whether they can be Hounsfield units.
//
// Streaming and in bounded memory (8 MB). Percentiles come from a histogram over the leading 20 bits of the numbers:
// exact for whole numbers up to 4096, within 0.05 % of the value beyond and for fractions. Threads: one at a time.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace pulmoseg::quantify {

enum class IntensityScale {
  hounsfield,  ///< air is there (≤ −900), soft tissue too
  shifted,     ///< from 0 to thousands, as scanners store before the intercept of −1024 is added
  eight_bit,   ///< within 0…255: a picture, not a measurement
  unit,        ///< within 0…1: scaled
  labels,      ///< a handful of small whole numbers: a mask
  unknown,
};

/// A sentence: "Hounsfield units", "0 to 255: a picture, not Hounsfield units", …
std::string_view describe(IntensityScale scale);

struct IntensityStatistics {
  std::int64_t voxels = 0;
  double minimum = 0, maximum = 0, mean = 0, standard_deviation = 0;
  double percentile_1 = 0, median = 0, percentile_99 = 0;
  bool whole_numbers = true;
  std::vector<std::int64_t> constant_slices{};  ///< indices of slices whose pixels are all equal, ascending
  std::int64_t full_range_slices = 0;           ///< slices that reach from the volume's minimum to its maximum
  IntensityScale scale = IntensityScale::unknown;
};

class IntensityAccumulator {
 public:
  IntensityAccumulator();
  void add_slice(std::int64_t index, std::span<const float> pixels);
  /// Error when no voxel was added.
  IntensityStatistics finish() const;

 private:
  struct SliceRange {
    std::int64_t index;
    float low, high;
  };
  std::int64_t voxels_ = 0;
  double minimum_, maximum_, sum_ = 0, sum_of_squares_ = 0;
  bool whole_numbers_ = true;
  std::vector<SliceRange> ranges_;
  std::vector<std::int64_t> histogram_;
};

}  // namespace pulmoseg::quantify
