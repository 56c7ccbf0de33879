#pragma once
// `pulmoseg segment --workers`: this program again, several times at once, each with a share of the cases.

#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// Starts the command line that this process was started with `workers` times, each with its part of `shard` and of the threads
/// (0: all of the processor), and waits for all of them. A worker that fails or is killed does not stop the others.
/// Error when one did; Interrupted after Ctrl-C, which reaches them too.
void run_workers(int workers, const Shard& shard, int threads);

}  // namespace pulmoseg::cli
