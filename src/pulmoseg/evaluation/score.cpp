#include "pulmoseg/evaluation/score.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/mask.hpp"

namespace pulmoseg::evaluation {
namespace {

using volume::AxialSlice, volume::VolumeReader;

/// `label`: which one means lesion, or the number of the segment that does; nullopt: what the file says, else every label.
VolumeReader open_mask(const std::filesystem::path& file, const std::optional<std::int64_t>& label,
                       const volume::SourceInfo* other = nullptr) {
  const auto chosen = label ? std::filesystem::path(fmt::format("{}#{}", file.string(), *label)) : file;
  return VolumeReader::open_mask(chosen, volume::MaskKind::lesion, other);
}

/// Opens the prediction so that its slices lie on those of the reference, or refuses.
VolumeReader open_on(const VolumeReader& reference, const std::filesystem::path& file,
                     const std::optional<std::int64_t>& label) {
  VolumeReader prediction = open_mask(file, label, &reference.source());
  const auto &own = prediction.source(), &other = reference.source();
  if (volume::same_grid(prediction.geometry(), reference.geometry())) return prediction;
  if ((!own.has_geometry || !other.has_geometry) && own.stored_geometry.size == other.stored_geometry.size) {
    spdlog::warn("{}: its header or that of {} declares no position; they are compared voxel by voxel", file.string(),
                 other.file.string());
    return VolumeReader::open_on_grid_of(other, std::move(prediction));
  }
  throw Error(fmt::format("{}: its grid ({}) is not that of {} ({}); bring one onto the other's grid first",
                          file.string(), volume::describe(prediction.geometry()), other.file.string(),
                          volume::describe(reference.geometry())));
}

/// A whole mask, slice after slice; every label but 0 is inside.
std::vector<std::uint8_t> read_mask(VolumeReader& reader) {
  const auto& size = reader.geometry().size;
  const auto pixels = static_cast<std::size_t>(size[0] * size[1]);
  std::vector<std::uint8_t> mask(pixels * static_cast<std::size_t>(size[2]));
  for (AxialSlice slice; reader.next(slice);) {
    volume::labels_of(slice, reader.source().file,
                      std::span(mask).subspan(static_cast<std::size_t>(slice.index) * pixels, pixels));
  }
  return mask;
}

/// Masks that are all empty have figures, too: 1 where both are, else 0.
void warn_about_label(const std::filesystem::path& masks, const std::optional<std::int64_t>& label, bool some_have_it) {
  if (!label || some_have_it) return;
  spdlog::warn("{}: no voxel has the label {}, so every slice counts as free of lesion; is it another label?",
               masks.string(), *label);
}

void warn_about_labels(const metrics::ConfusionCounts& all, const ScoreOptions& options,
                       const std::filesystem::path& prediction, const std::filesystem::path& reference) {
  warn_about_label(prediction, options.prediction_label, all.true_positive + all.false_positive > 0);
  warn_about_label(reference, options.reference_label, all.truth_has_lesion());
}

}  // namespace

PairScore score_pair(const MaskPair& pair, const ScoreOptions& options) {
  VolumeReader reference = open_mask(pair.reference, options.reference_label);
  VolumeReader prediction = open_on(reference, pair.prediction, options.prediction_label);
  const auto truth = read_mask(reference);
  const auto found = read_mask(prediction);
  const auto& geometry = reference.geometry();
  PairScore score{.slices = {}, .surface = {}, .in_mm = reference.source().has_geometry};
  const auto pixels = static_cast<std::size_t>(geometry.size[0] * geometry.size[1]);
  for (std::int64_t k = 0; k < geometry.size[2]; ++k) {
    const std::size_t first = static_cast<std::size_t>(k) * pixels;
    score.slices.push_back(
        {.row = k,
         .case_name = pair.name,
         .patient = {},
         .slice = k,
         .counts = metrics::count(std::span(found).subspan(first, pixels), std::span(truth).subspan(first, pixels))});
  }
  const auto spacing = score.in_mm ? geometry.spacing : volume::Vector3{1, 1, 1};
  score.surface = metrics::compare_surfaces(found, truth, {geometry.size, spacing}, options.tolerance);
  return score;
}

Score score(const std::filesystem::path& prediction, const std::filesystem::path& reference,
            const ScoreOptions& options) {
  const MaskPairs matched = pair_masks(prediction, reference);
  const bool one_pair = !std::filesystem::is_directory(prediction);
  Score result{.figures = {}, .slices = {}, .left_out = matched.unpaired};
  std::vector<metrics::SurfaceFigures> surfaces;
  std::size_t in_mm = 0;
  for (std::size_t i = 0; i < matched.pairs.size(); ++i) {
    if (options.stop.stop_requested()) throw Interrupted("stopped on request; nothing was written");
    try {
      const PairScore pair = score_pair(matched.pairs[i], options);
      std::ranges::copy(pair.slices, std::back_inserter(result.slices));
      surfaces.push_back(pair.surface);
      in_mm += pair.in_mm ? 1 : 0;
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      if (one_pair) throw;
      result.left_out.push_back({matched.pairs[i].name, error.what()});
    }
    if (options.on_progress) {
      options.on_progress(static_cast<std::int64_t>(i) + 1, static_cast<std::int64_t>(matched.pairs.size()));
    }
  }
  if (result.slices.empty()) {
    throw Error(fmt::format("{}: none of its {} masks could be scored; the last: {}", prediction.string(),
                            matched.pairs.size(), result.left_out.back().reason));
  }
  for (std::size_t row = 0; row < result.slices.size(); ++row) result.slices[row].row = static_cast<std::int64_t>(row);
  result.figures = metrics::summarise("all", result.slices);
  warn_about_labels(result.figures.pooled.counts, options, prediction, reference);
  metrics::set_case_surfaces(result.figures, surfaces,
                             {.of = "case",
                              .unit = in_mm == surfaces.size() ? "mm"
                                      : in_mm == 0             ? "voxels"
                                                               : "mm or voxels",
                              .tolerance = options.tolerance});
  return result;
}

}  // namespace pulmoseg::evaluation
