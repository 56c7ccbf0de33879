#pragma once
// The processor that this program runs on, as the system describes it (/proc/cpuinfo). Threads: as you like.

#include <string>

namespace pulmoseg {

/// "AMD EPYC 9V74 80-Core Processor"; "unknown processor" where the system does not say.
std::string processor_name();

/// What it can do beyond the common, in the system's words: "fpu vme ... avx512_bf16"; empty where the system does not say.
std::string processor_flags();

/// Whether the processor computes bfloat16 in hardware (AVX512_BF16, AMX). Elsewhere it is emulated, many times slower.
bool has_fast_bfloat16();

}  // namespace pulmoseg
