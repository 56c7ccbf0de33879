#pragma once
// The two formats behind weights.hpp, for weights.cpp only.

#include <filesystem>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::model {

StateDict read_pth(const std::filesystem::path& file);
void write_pth(const StateDict& state, const std::filesystem::path& file);

StateDict read_safetensors(const std::filesystem::path& file);
void write_safetensors(const StateDict& state, const std::filesystem::path& file);

}  // namespace pulmoseg::model
