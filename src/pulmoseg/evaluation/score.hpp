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
  std::function<void(std::int64_t done, std::int64_t total)> on_progress;  ///< pairs
  std::stop_token stop;                                                    ///< looked at between pairs
};

struct Score {
  metrics::Figures figures;  ///< part "all", no loss, no AUC: masks have no probabilities
  std::vector<metrics::SliceResult> slices;
  std::vector<Unscored> left_out;
};

/// Slice by slice (axial, canonical) the counts of one pair. Masks are compared voxel by voxel and never resampled: both must
/// lie on the same grid (volume::same_grid; their axis orders may differ), or have the same stored size where one of them
/// declares no position (a warning is logged).
/// Memory: the reference, 1 byte a voxel, and what VolumeReader holds.
/// Error that names both geometries when the grids differ, and for values that are no labels (negative or not whole).
std::vector<metrics::SliceResult> score_pair(const MaskPair& pair, const ScoreOptions& options = {});

/// All pairs of two masks or two folders (mask_pairs.hpp). Of folders, a pair that fails is left out with its reason and the
/// rest go on; Error when nothing could be scored. Interrupted when `stop` is asked for.
Score score(const std::filesystem::path& prediction, const std::filesystem::path& reference,
            const ScoreOptions& options = {});

}  // namespace pulmoseg::evaluation
