#include "pulmoseg/training/device.hpp"

#include <ATen/autocast_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <sched.h>
#include <torch/cuda.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::training {

torch::Device open_device(const std::string& name, int local_rank) {
  if (name == "cpu") return torch::kCPU;
  // Loading it registers its kernels. It stays loaded for as long as the process lives.
  if (!::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
    throw Error(
        fmt::format("--device cuda: this LibTorch has no CUDA half ({}); install the CUDA build of the torch wheel, "
                    "or train with --device cpu",
                    ::dlerror()));
  }
  if (!torch::cuda::is_available()) {
    throw Error("--device cuda: no usable NVIDIA GPU or driver was found; train with --device cpu");
  }
  const auto gpus = static_cast<int>(torch::cuda::device_count());
  if (gpus > 1 && local_rank >= gpus) {
    throw Error(
        fmt::format("--device cuda: this machine has {} GPUs, none for its rank {} (counted from 0); start one rank a "
                    "GPU",
                    gpus, local_rank));
  }
  const torch::Device device(torch::kCUDA, static_cast<c10::DeviceIndex>(gpus > 1 ? local_rank : 0));
  c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
  return device;
}

torch::nn::Module& placed(torch::nn::Module& network, torch::Device device) {
  network.to(device);
  for (auto& parameter : network.parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  }
  return network;
}

namespace {

/// Empty where there are more cores than the system call's own set holds.
std::vector<int> bound_cores() {
  cpu_set_t set;
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

}  // namespace

std::string own_cores() { return fmt::format("{}", fmt::join(bound_cores(), ",")); }

int cores_for_one_of(int processes) {
  const auto bound = static_cast<int>(bound_cores().size());
  const int cores = bound > 0 ? bound : static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(cores / processes, 1);
}

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

Autocast::Autocast(bool enabled, torch::DeviceType device) : enabled_(enabled), device_(device) {
  if (!enabled_) return;
  at::autocast::set_autocast_dtype(device_, torch::kBFloat16);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!enabled_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();  // the weights cast for this forward pass
  at::autocast::set_autocast_enabled(device_, false);
}

}  // namespace pulmoseg::training
