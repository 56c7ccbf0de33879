#pragma once
// One scan of `pulmoseg segment`: from its file to mask, measurements and picture.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "pulmoseg/inference/segment.hpp"
#include "pulmoseg/masks/refine.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/measurement_report.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// Called after each slice; what it throws (Interrupted) ends the case without a trace.
using OnSlice = std::function<void(std::int64_t done, std::int64_t total)>;

struct SegmentedCase {
  quantify::Measurements measurements;
  report::Provenance provenance;
};

/// Writes the files that `planned` names, each whole, the measurements last. `model` says which model `engine` runs; `refinement`
/// what is done to its masks, nullopt: nothing; outside of `wanted` nothing is looked for.
/// Reads the scan for the network, then again beside the finished masks, and once before where the model leaves its preprocessing
/// open (inference::preprocessing_for()). Memory: a few slices of it, and the runs of its masks (a given lung mask that is stored
/// in another order: one byte a voxel). Errors: those of volume/, inference/, masks/, quantify/ and report/.
SegmentedCase segment_case(const SegmentCase& planned, inference::Engine& engine, const report::Provenance& model,
                           const std::optional<masks::RefineOptions>& refinement, const inference::SliceRange& wanted,
                           const OnSlice& on_slice);

}  // namespace pulmoseg::cli
