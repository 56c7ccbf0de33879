#pragma once
// How an operator of our own takes part in autocast.

#include <ATen/autocast_mode.h>
#include <torch/types.h>

namespace pulmoseg::model {

inline bool computes_in_bfloat16(const torch::Tensor& images) {
  const auto device = images.device().type();
  return at::autocast::is_autocast_enabled(device) ? at::autocast::get_autocast_dtype(device) == torch::kBFloat16
                                                   : images.scalar_type() == torch::kBFloat16;
}

/// work(cast), with autocast off within: cast(tensor) is the tensor in the number format that autocast asks for, the tensor
/// itself where autocast is off.
template <class Work>
torch::Tensor under_autocast(torch::DeviceType device, const Work& work) {
  if (!at::autocast::is_autocast_enabled(device)) return work([](const torch::Tensor& tensor) { return tensor; });
  const auto type = at::autocast::get_autocast_dtype(device);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(
      at::autocast::get_autocast_dispatch_key_from_device_type(device));
  return work([&](const torch::Tensor& tensor) { return at::autocast::cached_cast(type, tensor, device); });
}

}  // namespace pulmoseg::model
