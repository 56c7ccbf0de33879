#pragma once
// Densities of a lung in Hounsfield units, slice by slice. Threads: one at a time.

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::quantify {

class DensityAccumulator {
 public:
  /// Pixels in HU; `lesion` and `lung`: not zero = inside. All of one length.
  void add_slice(std::span<const float> pixels, std::span<const std::uint8_t> lesion,
                 std::span<const std::uint8_t> lung);

  /// `voxel_ml`: nullopt where volumes are not known; then neither is the mass.
  LungDensity finish(std::optional<double> voxel_ml) const;

 private:
  struct Sum {
    std::int64_t voxels = 0;
    double values = 0;
  };
  static constexpr std::array edges{-1050.0, -950.0, -750.0, -400.0, 0.0};
  Sum lung_, lesion_;
  double squares_ = 0, densities_ = 0;  // densities: g/ml, summed over the voxels
  std::array<std::int64_t, edges.size() + 1> bands_{};
};

}  // namespace pulmoseg::quantify
