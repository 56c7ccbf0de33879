#pragma once
// The weights of a network under torchvision's names, and how they get into a network: strictly (a saved model) or as
// far as they fit (--init).
//
// Errors: pulmoseg::Error, one line that begins with `source` (the file's name, as a rule). Threads: functions of their
// arguments; a module is written by one thread at a time.

#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pulmoseg::model {

/// Parameters and buffers in PyTorch's order: a module's own parameters, its buffers, then its children.
using StateDict = std::vector<std::pair<std::string, torch::Tensor>>;

/// The tensors share memory with the module, as in PyTorch: they change when it is trained.
StateDict state_dict(const torch::nn::Module& module);

/// nullptr when there is none of that name.
const torch::Tensor* find(const StateDict& state, const std::string& name);

/// "2x256x1x1"; "a single value" for a scalar.
std::string describe_shape(torch::IntArrayRef shape);

/// Every tensor of the module from the tensor of the same name, converted to the module's number format. Strict: Error
/// with the count and the first example of what is missing, unexpected or of another shape, and the module stays as it
/// was. Two things are forgiven: a missing num_batches_tracked (files older than PyTorch 0.4.1; the module's own stays)
/// and an auxiliary classifier (torchvision's aux_classifier.*). Returns the names that were left out.
std::vector<std::string> load_state_dict(torch::nn::Module& module, const StateDict& state,
                                         const std::string& source = "the weights");

/// What init_from() did, every name in full. The first four lists together name each tensor of the network once.
struct InitReport {
  std::vector<std::string> taken;
  std::vector<std::string> fitted_to_channels;  ///< first-layer kernels that were made for another number of channels
  std::vector<std::string> missing;             ///< in the network, not in the file: keeps its fresh weights
  std::vector<std::string> wrong_shape;         ///< in both, but of another shape: keeps its fresh weights
  std::vector<std::string> unused;              ///< in the file, not in the network (under the file's name)
};

/// Starts a network from another model's weights: what matches by name and shape is taken. A first convolution for
/// another number of channels is summed over them and spread evenly over the network's own: a slice shown in each channel gives
/// the same answer. The names of a bare ResNet
/// ("layer1.0.conv1.weight") are those of the backbone. Error when nothing fits.
InitReport init_from(torch::nn::Module& module, const StateDict& state, const std::string& source = "the weights");

/// Classes and image channels of a DeepLabV3's weights, read off their shapes. Error when they are no DeepLabV3's.
std::int64_t count_classes(const StateDict& state, const std::string& source = "the weights");
std::int64_t count_channels(const StateDict& state, const std::string& source = "the weights");

}  // namespace pulmoseg::model
