// Inspection of weights: the one part of `pulmoseg inspect` that needs LibTorch.

#include <fmt/format.h>

#include <map>

#include "inspect_facts.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/weights.hpp"
#include "torch_commands.hpp"

namespace pulmoseg::cli {
namespace {

/// Running means and counters are state, not parameters: nothing learns them by gradient.
bool is_buffer(const std::string& name) {
  return name.ends_with(".running_mean") || name.ends_with(".running_var") || name.ends_with(".num_batches_tracked");
}

bool is_finite(const torch::Tensor& tensor) {
  return !tensor.is_floating_point() || torch::isfinite(tensor).all().item<bool>();
}

}  // namespace

extern "C" void pulmoseg_inspect_weights(const std::filesystem::path& weights, InspectedFile& result) {
  const model::StateDict state = model::read_weights(weights);
  std::int64_t parameters = 0, buffers = 0, not_finite = 0;
  std::map<std::string, std::int64_t> types;
  for (const auto& [name, tensor] : state) {
    (is_buffer(name) ? buffers : parameters) += tensor.numel();
    ++types[std::string(c10::getDtypeNames(tensor.scalar_type()).first)];  // "float32"
    not_finite += !is_finite(tensor);
  }
  result.kind = "weights";
  result.facts = {{"tensors", state.size()}, {"parameters", parameters}, {"buffer_values", buffers}, {"types", types}};
  if (not_finite > 0)
    result.warnings.push_back({"not_finite", fmt::format("{} tensors hold NaN or infinite values", not_finite)});
  try {
    result.facts["classes"] = model::count_classes(state, weights.string());
    result.facts["channels"] = model::count_channels(state, weights.string());
    result.facts["architecture"] = "DeepLabV3";
  } catch (const Error&) {
    result.warnings.push_back(
        {"not_deeplabv3", "not the weights of a whole DeepLabV3; they may still serve `pulmoseg train --init`"});
  }
  if (!state.empty())
    result.facts["first"] =
        fmt::format("{} {}", state.front().first, model::describe_shape(state.front().second.sizes()));
  if (!state.empty())
    result.facts["last"] = fmt::format("{} {}", state.back().first, model::describe_shape(state.back().second.sizes()));
}

}  // namespace pulmoseg::cli
