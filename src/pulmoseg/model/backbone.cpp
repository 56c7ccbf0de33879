#include "pulmoseg/model/backbone.hpp"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/deeplabv3.hpp"

namespace pulmoseg::model {
namespace {

constexpr std::string_view backbone_prefix = "backbone.";

/// What stands before torchvision's names ("encoder.layer1.0.conv1.weight" -> "encoder.").
std::string common_prefix(const StateDict& state, const std::string& source) {
  constexpr std::string_view landmark = "layer1.0.conv1.weight";
  const auto found = std::ranges::find_if(
      state, [&](const auto& entry) { return entry.first.ends_with(landmark) && entry.second.dim() == 5; });
  if (found != state.end()) return found->first.substr(0, found->first.size() - landmark.size());
  throw Error(
      fmt::format("{}: has no 5-D kernel {}, expected the weights of an inflated 3-D ResNet", source, landmark));
}

/// out x in x depth x x x y  ->  out x in x row x column
torch::Tensor flatten_kernel(const torch::Tensor& kernel) { return kernel.sum(2).transpose(2, 3).flip({2, 3}); }

}  // namespace

StateDict backbone_from_3d(const StateDict& state, const std::string& source) {
  const torch::NoGradGuard no_gradients;
  const std::string prefix = common_prefix(state, source);
  const DeepLabV3 network;  // for its names and shapes
  StateDict backbone;
  for (const auto& [name, wanted] : state_dict(*network)) {
    if (!name.starts_with(backbone_prefix)) continue;
    const std::string name_in_3d = prefix + name.substr(backbone_prefix.size());
    const torch::Tensor* found = find(state, name_in_3d);
    if (!found)
      throw Error(fmt::format("{}: has no {}, expected the weights of a ResNet-50 or deeper", source, name_in_3d));
    torch::Tensor tensor = found->to(wanted.scalar_type());
    if (tensor.dim() == 5) tensor = flatten_kernel(tensor);
    if (name == "backbone.conv1.weight") tensor = tensor.sum(1, /*keepdim=*/true);
    if (tensor.sizes() != wanted.sizes()) {
      throw Error(fmt::format("{}: {} is {}, which does not become {}", source, name_in_3d,
                              describe_shape(found->sizes()), describe_shape(wanted.sizes())));
    }
    backbone.emplace_back(name, tensor.contiguous());
  }
  return backbone;
}

}  // namespace pulmoseg::model
