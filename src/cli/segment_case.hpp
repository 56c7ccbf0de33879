#pragma once
// One scan of `pulmoseg segment`: from its file to mask, measurements and picture.

#include <cstdint>
#include <functional>
#include <string>

#include "pulmoseg/inference/engine.hpp"
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

/// Writes the files that `planned` names, each whole, the measurements last. Holds a few slices of the scan at a time.
/// `model` says which model `engine` runs. Errors: those of volume/, inference/, quantify/ and report/.
SegmentedCase segment_case(const SegmentCase& planned, inference::Engine& engine, const report::Provenance& model,
                           const OnSlice& on_slice);

}  // namespace pulmoseg::cli
