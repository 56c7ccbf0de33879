#pragma once
// A dataset small enough to count by hand, and masks as files.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pulmoseg/volume/geometry.hpp"

namespace pulmoseg::test {

inline constexpr std::int64_t example_size = 32;

/// Five slices of 32 x 32 whose images are 0.9 in the first `bright` pixels and 0.1 elsewhere, and whose lesion masks are 1
/// from pixel `begin` to before pixel `end`. For a network that calls 0.5 and more lesion:
///
///   row  case patient slice  bright  lesion     TP   FP   FN
///   0    a    p1      3      100     0..100     100  0    0
///   1    a    p1      4      100     50..150    50   50   50
///   2    a    p1      5      0       none       0    0    0
///   3    b    p1      0      40      none       0    40   0
///   4    c    p2      7      30      0..120     30   0    90
void write_example_dataset(const std::filesystem::path& folder, bool unrelated_slices = false);

/// A NIfTI or NRRD mask whose stored voxels (columns fastest) are `labels`.
void write_mask(const std::filesystem::path& file, const volume::Geometry& stored, const std::vector<float>& labels,
                bool with_position = true);

}  // namespace pulmoseg::test
