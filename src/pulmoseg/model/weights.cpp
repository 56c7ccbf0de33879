#include "pulmoseg/model/weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/weight_formats.hpp"

namespace pulmoseg::model {
namespace {

/// torch.compile wraps a module, and so may stand anywhere in a name; DistributedDataParallel wraps the whole network.
void remove_wrappers(StateDict& state) {
  constexpr std::string_view compiled = "_orig_mod.", parallel = "module.";
  for (auto& [name, tensor] : state) {
    for (std::size_t at; (at = name.find(compiled)) != std::string::npos;) name.erase(at, compiled.size());
  }
  const auto is_wrapped = [&](const auto& entry) { return entry.first.starts_with(parallel); };
  while (!state.empty() && std::ranges::all_of(state, is_wrapped)) {
    for (auto& [name, tensor] : state) name.erase(0, parallel.size());
  }
}

void check_names(const StateDict& state, const std::filesystem::path& file) {
  if (state.empty()) throw Error(fmt::format("{}: holds no tensor, expected the weights of a network", file.string()));
  std::set<std::string_view> seen;
  for (const auto& [name, tensor] : state) {
    if (!seen.insert(name).second) throw Error(fmt::format("{}: holds two tensors named {}", file.string(), name));
  }
}

}  // namespace

StateDict read_weights(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) throw Error(fmt::format("{}: there is no such file", file.string()));
  if (std::filesystem::is_directory(file, error)) {
    throw Error(
        fmt::format("{}: is a folder, expected a file of weights (.pth, .safetensors or .onnx)", file.string()));
  }
  if (!std::filesystem::is_regular_file(file, error)) {
    throw Error(fmt::format("{}: is no file, expected a file of weights (.pth, .safetensors or .onnx)", file.string()));
  }
  if (!std::ifstream(file)) throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  if (std::filesystem::file_size(file, error) == 0) {
    throw Error(fmt::format("{}: is empty, expected a file of weights", file.string()));
  }
  const auto extension = file.extension();
  StateDict state = extension == ".safetensors" ? read_safetensors(file)
                    : extension == ".onnx"      ? read_onnx_weights(file)
                                                : read_pth(file);
  remove_wrappers(state);
  check_names(state, file);
  return state;
}

void write_weights(const StateDict& state, const std::filesystem::path& file) {
  if (file.extension() == ".safetensors") return write_safetensors(state, file);
  if (file.extension() == ".pth" || file.extension() == ".pt") return write_pth(state, file);
  throw UsageError(fmt::format("{}: weights are written to a file named .pth or .safetensors", file.string()));
}

}  // namespace pulmoseg::model
