#pragma once
// A small dataset and a small network, so that a whole training takes a fraction of a second.

#include <filesystem>
#include <string>

#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/training/train.hpp"
#include "support/data.hpp"

namespace pulmoseg::test {

/// `slices` slices of `size` × `size`, two a patient: noise with a bright blob, which is the lesion.
dataset::Dataset make_dataset(const std::filesystem::path& folder, std::int64_t slices, std::int64_t size = 16);

/// Two convolutions with BatchNorm and dropout between them. Its "ONNX" file holds the metadata as text.
training::Network tiny_network(training::NetworkShape shape);

/// Options for a run of a few steps: two epochs, batch 4, a learning rate that shows.
training::TrainingOptions quick_options();

training::TrainingResult train_tiny(const dataset::Dataset& dataset, const std::filesystem::path& run,
                                    const training::TrainingOptions& options,
                                    const training::TrainingCallbacks& callbacks = {});

/// Stops a run after so many steps in all, as Ctrl-C would.
class StopAfter {
 public:
  explicit StopAfter(int steps);
  const training::TrainingCallbacks& callbacks() const { return callbacks_; }

 private:
  std::stop_source source_;
  int steps_;
  training::TrainingCallbacks callbacks_;
};

/// The message of the Error that `action` throws; "" when it throws none.
template <class Exception, class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace pulmoseg::test
