#pragma once
// The commands that need LibTorch. They are a library of their own, opened for them alone: loading LibTorch takes a quarter of a
// second, longer than most of what the other commands do.

#include <CLI/CLI.hpp>
#include <filesystem>

namespace pulmoseg::cli {

struct InspectedFile;

// What the library offers.
extern "C" void pulmoseg_add_torch_commands(CLI::App& app);
/// Of .pth, .pt, .safetensors; where `pulmoseg inspect` is built.
extern "C" void pulmoseg_inspect_weights(const std::filesystem::path& weights, InspectedFile& result);

/// One of the two above, by its name. Error where the library cannot be opened.
void* torch_function(const char* name);

}  // namespace pulmoseg::cli
