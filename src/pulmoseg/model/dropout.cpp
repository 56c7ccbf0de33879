#include "pulmoseg/model/dropout.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <cmath>
#include <mutex>

#include "pulmoseg/model/kernel_tensors.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

/// The n-th number of a sequence that `key` names: SplitMix64 (Steele, Lea & Flood, 2014).
std::uint64_t drawn(std::uint64_t key, std::uint64_t n) {
  std::uint64_t bits = key + n * 0x9e3779b97f4a7c15U;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

std::uint64_t next_key() {
  auto generator = at::detail::getDefaultCPUGenerator();
  const std::scoped_lock lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

/// 1 / (1 - share) or 0, of the shape and memory order of `features`.
Tensor draw_mask(const Tensor& features, double share) {
  Tensor mask = torch::empty_like(features);
  const std::uint64_t key = next_key();
  const auto kept_below = static_cast<std::uint64_t>(std::ldexp(1 - share, 53));  // of the upper 53 bits
  with_number_format<float, double, kernels::bfloat16_bits>(mask, [&]<class T>(T) {
    T kept;
    kernels::store(static_cast<kernels::Number<T>>(1 / (1 - share)), kept);
    T* values = memory<T>(mask);
    at::parallel_for(0, mask.numel(), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        values[i] = drawn(key, static_cast<std::uint64_t>(i)) >> 11 < kept_below ? kept : T{0};
    });
  });
  return mask;
}

}  // namespace

Tensor dropout(const Tensor& features, double share) {
  TORCH_CHECK(share >= 0 && share < 1, "dropout: a share of ", share);
  if (!features.device().is_cpu()) return torch::dropout(features, share, /*train=*/true);
  return share == 0 ? features : features * draw_mask(features, share);
}

}  // namespace pulmoseg::model
