#pragma once
// Masks from any tool against reference masks, with the figures of an evaluation.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "pulmoseg/evaluation/mask_pairs.hpp"
#include "pulmoseg/metrics/figures.hpp"

namespace pulmoseg::evaluation {

struct ScoreOptions {
  std::optional<std::int64_t> prediction_label;  ///< the label that means lesion; default: every label but 0
  std::optional<std::int64_t> reference_label;
  double tolerance = 2;  ///< of the surface Dice, in mm (in voxels where a header declares no spacing)
  std::function<void(std::int64_t done, std::int64_t total)> on_progress;  ///< pairs
  std::stop_token stop;                                                    ///< looked at between pairs
};

struct Score {
  metrics::Figures figures;  ///< part "all", no loss, no AUC: masks have no probabilities
  std::vector<metrics::SliceResult> slices;
  std::vector<Unscored> left_out;
};

/// One pair of masks.
struct PairScore {
  std::vector<metrics::SliceResult> slices;  ///< axial, canonical; their outlines are not compared
  metrics::SurfaceFigures surface;           ///< in space
  bool in_mm = true;                         ///< false: the header declares no spacing
};

/// Slice by slice the counts of one pair, and its surfaces. Masks are compared voxel by voxel and never resampled: both must
/// lie on the same grid (volume::same_grid; their axis orders may differ), or have the same stored size where one of them
/// declares no position (a warning is logged).
/// Memory: both masks, 1 byte a voxel each, what surface_distances() takes, and what VolumeReader holds.
/// Error that names both geometries when the grids differ, and for values that are no labels (volume::labels_of).
PairScore score_pair(const MaskPair& pair, const ScoreOptions& options = {});

/// All pairs of two masks or two folders (mask_pairs.hpp). Of folders, a pair that fails is left out with its reason and the
/// rest go on; Error when nothing could be scored. Interrupted when `stop` is asked for.
Score score(const std::filesystem::path& prediction, const std::filesystem::path& reference,
            const ScoreOptions& options = {});

}  // namespace pulmoseg::evaluation
