#include "nccl.hpp"

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

c10d::Backend* pulmoseg_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int ranks,
                                     std::chrono::milliseconds limit) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = limit;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, ranks, std::move(options)).release();
}
