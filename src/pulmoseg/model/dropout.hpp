#pragma once
// Dropout as torch::dropout in training mode, drawn by all threads: LibTorch draws a CPU's mask number by number in one.

#include <torch/types.h>

namespace pulmoseg::model {

/// Each value is kept with a chance of 1 - share, and then divided by that; `share` from 0 to below 1. The draw follows torch's
/// global generator, and neither the number of threads nor the number format. Values in any order of memory; on a device other
/// than the CPU, torch's own.
torch::Tensor dropout(const torch::Tensor& features, double share);

}  // namespace pulmoseg::model
