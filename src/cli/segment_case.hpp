#pragma once
// One scan of `pulmoseg segment`: from its file to mask, measurements, picture and report.

#include <cstdint>
#include <functional>
#include <future>
#include <optional>

#include "pulmoseg/inference/segment.hpp"
#include "pulmoseg/masks/refine.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/measurement_report.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

struct SegmentedCase {
  quantify::Measurements measurements;
  report::Provenance provenance;
};

/// What all cases of a run share.
struct SegmentWork {
  inference::Engine& engine;
  std::shared_future<report::Provenance> model;    ///< of `engine`: its hash may still be under way
  std::optional<masks::RefineOptions> refinement;  ///< of the network's masks; nullopt: none
  inference::SliceRange wanted;                    ///< outside of it nothing is looked for
};

/// What a case tells while it is worked on.
struct CaseEvents {
  /// After each slice; what it throws (Interrupted) ends the case without a trace.
  std::function<void(std::int64_t done, std::int64_t total)> on_slice;
  std::function<void()> on_found;  ///< the network has answered; what is left is to write
};

/// Scans of at most so many bytes of voxels are held, and so read once instead of two or three times. Two of them are held at a
/// time: the next one is read ahead.
constexpr std::uint64_t kept_scan_bytes = std::uint64_t{1} << 28;

/// Writes the files that `planned` names, each whole, the measurements last.
/// `scan`: planned.input, of which nothing was handed out yet. It is gone through for the network, then again beside the finished
/// masks, and once before where the model leaves its preprocessing open (inference::preprocessing_for()). Memory: a few slices of
/// it or kept_scan_bytes, and the runs of its masks.
/// Errors: those of volume/, inference/, masks/, quantify/ and report/.
SegmentedCase segment_case(const SegmentCase& planned, volume::VolumeReader scan, const SegmentWork& work,
                           const CaseEvents& events);

}  // namespace pulmoseg::cli
