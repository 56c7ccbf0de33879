#pragma once
// The formats behind weights.hpp.

#include <filesystem>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::model {

StateDict read_pth(const std::filesystem::path& file);
void write_pth(const StateDict& state, const std::filesystem::path& file);

StateDict read_safetensors(const std::filesystem::path& file);
void write_safetensors(const StateDict& state, const std::filesystem::path& file);

/// Of a kernel that is stored as int8, or a bias as int32 (export_onnx.hpp, quantization/quantise.hpp), after its own name.
inline constexpr const char *onnx_int8_suffix = ".int8", *onnx_int32_suffix = ".int32", *onnx_scale_suffix = ".scale";

StateDict read_onnx_weights(const std::filesystem::path& file);

}  // namespace pulmoseg::model
