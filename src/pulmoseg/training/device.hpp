#pragma once
// The hardware that a training runs on: what it is called, what it can do, and computing in bfloat16 on it.

#include <torch/nn/module.h>

#include <string>

namespace pulmoseg::training {

/// "cpu" or "cuda". LibTorch's CUDA half is opened here, at run time, so that one build works with and without it. That has to
/// come before LibTorch asks whether it has one, as torch::manual_seed does: it asks once, and keeps the answer. Of several
/// ranks on a machine, each takes the GPU of its own number, or the only one that its launcher lets it see.
/// Error when there is none or when no GPU can be used.
torch::Device open_device(const std::string& name, int local_rank = 0);

/// The network on the device, its convolutions' weights with channels fastest in memory: what CPUs compute with most quickly.
torch::nn::Module& placed(torch::nn::Module& network, torch::Device device);

/// The cores that this process may run on: "0,1,4" where the launcher, a container or taskset bound it to some.
std::string own_cores();

/// How many of them each of so many processes with the same ones may take: its share, at least one.
int cores_for_one_of(int processes);

/// Tells the C library to keep freed memory for the next step instead of giving it back to the system, which would hand it out
/// again page by page, zeroed. A training step asks for the same gigabyte each time.
void keep_freed_memory();

/// While it lives and is enabled, LibTorch runs convolutions and matrix products of this thread in bfloat16 and leaves what
/// needs the range to 32-bit (autocast). Parameters stay 32-bit.
class Autocast {
 public:
  Autocast(bool enabled, torch::DeviceType device);
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;
  ~Autocast();

 private:
  bool enabled_;
  torch::DeviceType device_;
};

}  // namespace pulmoseg::training
