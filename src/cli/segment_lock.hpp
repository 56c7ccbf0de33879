#pragma once
// Who may write into a folder of results.

#include "pulmoseg/base/output_file.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// Until it is destroyed, keeps out every other run, or, of a shard, those that may do one of its cases: shards of another
/// number too. FolderInUse when such a run is at work. The locks are the kernel's (flock): a killed process leaves none behind.
FolderLock lock_for(const SegmentPlan& plan);

}  // namespace pulmoseg::cli
