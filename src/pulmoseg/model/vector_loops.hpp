#pragma once
// For the kernels of this room: number formats, and loops that are compiled for several processors.

#include <bit>
#include <cstdint>

// One body, compiled for several processors; the loader of the program chooses. It does so before a sanitizer is ready.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define PULMOSEG_FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PULMOSEG_FOR_EACH_PROCESSOR
#endif
#define PULMOSEG_INLINE [[gnu::always_inline]] inline  // into each of the versions

namespace pulmoseg::model::kernels {

using bfloat16_bits = std::uint16_t;

PULMOSEG_INLINE float load(float value) { return value; }
PULMOSEG_INLINE double load(double value) { return value; }
PULMOSEG_INLINE float load(bfloat16_bits bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// What T is computed in.
template <class T>
using Number = decltype(load(T{}));

PULMOSEG_INLINE void store(float value, float& to) { to = value; }
PULMOSEG_INLINE void store(double value, double& to) { to = value; }
PULMOSEG_INLINE void store(float value, bfloat16_bits& to) {  // to nearest, ties to even
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to = static_cast<bfloat16_bits>(value != value ? 0x7fc0 : rounded);
}

}  // namespace pulmoseg::model::kernels
