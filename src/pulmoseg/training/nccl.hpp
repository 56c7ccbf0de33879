#pragma once
// NCCL as a backend of c10d, in a library of its own (CMakeLists.txt). ProcessGroup opens it and looks for this name.

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

/// For tensors on GPUs, each rank's on its own. The caller owns the reference. `limit`: of one exchange.
extern "C" c10d::Backend* pulmoseg_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int ranks,
                                                std::chrono::milliseconds limit);
