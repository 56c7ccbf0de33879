#include "pulmoseg/model/state_dict.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;
using Index = std::unordered_map<std::string_view, const Tensor*>;

constexpr std::string_view first_convolution = "backbone.conv1.weight";

void collect(const torch::nn::Module& module, const std::string& prefix, StateDict& state) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    state.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value().detach());
  for (const auto& child : module.named_children()) collect(*child.value(), prefix + child.key() + '.', state);
}

Index index_of(const StateDict& state) {
  Index index;
  for (const auto& [name, tensor] : state) index.emplace(name, &tensor);
  return index;
}

/// "3 missing (first: backbone.conv1.weight)", or nothing when the list is empty.
void append_finding(std::string& text, std::string_view what, const std::vector<std::string>& examples) {
  if (examples.empty()) return;
  text += fmt::format("{}{} {} (first: {})", text.empty() ? "" : ", ", examples.size(), what, examples.front());
}

bool is_auxiliary(std::string_view name) { return name.starts_with("aux_classifier."); }
bool is_batch_count(std::string_view name) { return name.ends_with("num_batches_tracked"); }

/// The file's entries under the network's names. Bare ResNet names move into the backbone, its classifier does not.
std::vector<std::string> names_in_network(const StateDict& state, const Index& network) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) {
    const std::string inner = "backbone." + name;
    names.push_back(!network.contains(name) && network.contains(inner) ? inner : name);
  }
  return names;
}

/// The network's first convolution out of one for another number of channels, whose answer to slices that are all alike is the
/// same; undefined when `kernel` is none.
Tensor fit_channels(const std::string& name, const Tensor& kernel, const Tensor& wanted) {
  if (name != first_convolution || kernel.dim() != 4) return {};
  const Tensor sum = kernel.to(wanted.scalar_type()).sum(1, /*keepdim=*/true);
  const auto sizes = wanted.sizes();
  if (sum.sizes() != torch::IntArrayRef({sizes[0], 1, sizes[2], sizes[3]})) return {};
  return (sum / sizes[1]).expand(sizes);
}

const Tensor& kernel_of(const StateDict& state, const std::string& name, const std::string& source) {
  const Tensor* kernel = find(state, name);
  if (kernel && kernel->dim() == 4) return *kernel;
  throw Error(fmt::format("{}: has {} tensors but no convolution {}, expected the weights of a DeepLabV3-ResNet50",
                          source, state.size(), name));
}

}  // namespace

StateDict state_dict(const torch::nn::Module& module) {
  StateDict state;
  collect(module, "", state);
  return state;
}

const Tensor* find(const StateDict& state, const std::string& name) {
  const auto found = std::ranges::find(state, name, &StateDict::value_type::first);
  return found == state.end() ? nullptr : &found->second;
}

std::string describe_shape(torch::IntArrayRef shape) {
  return shape.empty() ? "a single value" : fmt::format("{}", fmt::join(shape, "x"));
}

std::vector<std::string> load_state_dict(torch::nn::Module& module, const StateDict& state, const std::string& source) {
  const StateDict own = state_dict(module);
  const Index given = index_of(state), wanted = index_of(own);
  std::vector<std::string> missing, wrong_shape, unexpected, left_out;
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) {
      if (!is_batch_count(name)) missing.push_back(name);
    } else if (found->second->sizes() != tensor.sizes()) {
      wrong_shape.push_back(fmt::format("{} is {}, expected {}", name, describe_shape(found->second->sizes()),
                                        describe_shape(tensor.sizes())));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!wanted.contains(name)) (is_auxiliary(name) ? left_out : unexpected).push_back(name);
  }
  std::string findings;
  append_finding(findings, "missing", missing);
  append_finding(findings, "unexpected", unexpected);
  append_finding(findings, "of another shape", wrong_shape);
  if (!findings.empty()) {
    throw Error(fmt::format("{}: does not fit the network, of {} tensors expected: {}", source, own.size(), findings));
  }
  const torch::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : own) {
    if (const auto found = given.find(name); found != given.end()) Tensor(tensor).copy_(*found->second);
  }
  return left_out;
}

InitReport init_from(torch::nn::Module& module, const StateDict& state, const std::string& source) {
  const StateDict own = state_dict(module);
  const Index network = index_of(own);
  const std::vector<std::string> names = names_in_network(state, network);
  Index given;
  InitReport report;
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (!network.contains(names[i]) || !given.emplace(names[i], &state[i].second).second) {
      report.unused.push_back(state[i].first);
    }
  }
  const torch::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) {
      report.missing.push_back(name);
    } else if (found->second->sizes() == tensor.sizes()) {
      Tensor(tensor).copy_(*found->second);
      report.taken.push_back(name);
    } else if (const Tensor fitted = fit_channels(name, *found->second, tensor); fitted.defined()) {
      Tensor(tensor).copy_(fitted);
      report.fitted_to_channels.push_back(name);
    } else {
      report.wrong_shape.push_back(name);
    }
  }
  if (report.taken.empty() && report.fitted_to_channels.empty()) {
    throw Error(
        fmt::format("{}: none of its {} tensors fits the network by name and shape (first: {}); expected the weights "
                    "of a DeepLabV3-ResNet50 or of a ResNet-50",
                    source, state.size(), state.empty() ? "none at all" : state.front().first));
  }
  return report;
}

std::int64_t count_classes(const StateDict& state, const std::string& source) {
  return kernel_of(state, "classifier.4.weight", source).size(0);
}

std::int64_t count_channels(const StateDict& state, const std::string& source) {
  return kernel_of(state, std::string(first_convolution), source).size(1);
}

}  // namespace pulmoseg::model
