#pragma once
// From a dataset and a split to a trained DeepLabV3 in a run folder.

#include "pulmoseg/training/trainer.hpp"

namespace pulmoseg::training {

/// Trains DeepLabV3-ResNet50 on the training part, measures every epoch on the validation part, and fills the folder `run`:
///   config.json                      options, dataset, split, versions, processor
///   split.csv                        which slice belongs to which part
///   history.csv                      a line an epoch
///   checkpoint.safetensors           to go on from: weights, optimiser, position
///   checkpoint-previous.safetensors  the one before it
///   deeplabv3_resnet50_trained.pth   the best epoch (trainer.hpp)
///   model.onnx                       the same, for inference
///   last.pth                         the last epoch
/// With options.max_minutes, training stops in mid-epoch when the time is up, the weights are validated and recorded as a
/// last epoch, which may be the best. A resumed run goes on within that epoch.
///
/// Sets LibTorch's global seed and number of threads, and lets the C library keep freed memory for the next step. With
/// options.resume, `split` must be the run's own.
///
/// With a `group` of several ranks (null: alone), the options and the split of rank 0 hold for all, and only rank 0 touches
/// `run`; every rank needs the dataset. Call it within group->run().
/// Errors: see Trainer; Error also when the folder holds a run already, is in use, or is resumed with another dataset, split
/// or option, or a rank has another dataset than rank 0; UsageError for impossible options.
TrainingResult train(const dataset::Dataset& dataset, const dataset::Split& split, const std::filesystem::path& run,
                     const TrainingOptions& options, const TrainingCallbacks& callbacks = {},
                     ProcessGroup* group = nullptr);

/// What a network is to be.
struct NetworkShape {
  std::int64_t classes = 2, channels = 1;  ///< logits a pixel, background included; of the images
  std::map<std::string, std::string> onnx_metadata = {};
};

/// As train(), for a network that `make_network` builds after the seed is set.
using NetworkFactory = std::function<Network(NetworkShape shape)>;
TrainingResult train_network(const NetworkFactory& make_network, const dataset::Dataset& dataset,
                             const dataset::Split& split, const std::filesystem::path& run,
                             const TrainingOptions& options, const TrainingCallbacks& callbacks = {},
                             ProcessGroup* group = nullptr);

}  // namespace pulmoseg::training
