#pragma once
// A binary mask of a volume, kept as the runs of its rows. A lung has a few runs a row, so that it takes a twentieth of a byte a
// voxel or less; in the worst case, every second voxel, it takes four bytes.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace pulmoseg::masks {

/// Columns, rows, slices; columns lie next to each other in memory, then rows, then slices.
using Size = std::array<std::int64_t, 3>;

/// Pixels begin … end − 1 of a slice, row-major; all of one row, and as many as there are.
struct Run {
  std::uint32_t begin, end;
  bool operator==(const Run&) const = default;
};

/// Empty at first. Threads: one at a time; reading from several at a time is fine.
class RunMask {
 public:
  /// Error for a slice of more than 2^32 pixels.
  explicit RunMask(const Size& size);

  /// Of a whole mask in memory. Error when it is not of the given size.
  static RunMask of(std::span<const std::uint8_t> mask, const Size& size);

  const Size& size() const { return size_; }
  std::int64_t pixels_of_slice() const { return size_[0] * size_[1]; }
  std::span<const Run> runs(std::int64_t slice) const { return runs_.at(static_cast<std::size_t>(slice)); }

  /// Every value but 0 is in the mask. Error for another number of pixels than a slice has.
  void set(std::int64_t slice, std::span<const std::uint8_t> pixels);

  /// In order, none beside another of its row.
  void set(std::int64_t slice, std::vector<Run> runs) { runs_.at(static_cast<std::size_t>(slice)) = std::move(runs); }

  /// Rows x columns of 0 and 1.
  std::vector<std::uint8_t> pixels(std::int64_t slice) const;

  bool operator==(const RunMask&) const = default;

 private:
  Size size_;
  std::vector<std::vector<Run>> runs_;  ///< by slice
};

/// What is in both. Error when their sizes differ.
RunMask intersection(const RunMask& one, const RunMask& other);

}  // namespace pulmoseg::masks
