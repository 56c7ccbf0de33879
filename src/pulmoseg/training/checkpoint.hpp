#pragma once
// Everything that a run needs to go on as if it had never stopped. Each checkpoint is a file that appears whole or not at
// all, and the one before it is kept: whatever happens in between, one of the two is there.

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::training {

/// A line of history.csv.
struct EpochRecord {
  std::int64_t epoch = 0;  ///< counted from 1
  std::int64_t size = 0;   ///< rows and columns of the images, at the end of the epoch
  /// Of training, the mean over the epoch's batches by their sizes, while the weights change; of validation, the loss of the part
  /// as one batch. With a Dice loss the two are not the same kind of mean, and images of another size have other losses.
  double training_loss = 0, validation_loss = 0;
  std::optional<double> validation_dice;  ///< of the lesion, pooled over all pixels of the part
  double learning_rate = 0;               ///< at the end of the epoch
  double seconds = 0;                     ///< of training and validation
  double samples_per_second = 0;          ///< of training

  bool operator==(const EpochRecord&) const = default;
};

/// Where a run stands.
struct RunState {
  std::int64_t epoch = 0;    ///< epochs finished
  std::int64_t batch = 0;    ///< batches finished of the epoch under way
  std::int64_t samples = 0;  ///< in those batches
  double loss_sum = 0;       ///< over those samples
  double training_seconds = 0;
  std::vector<EpochRecord> history;  ///< of the finished epochs
  std::optional<EpochRecord> best;   ///< of the largest images so far, the lowest validation loss
};

/// As JSON, to the last bit and back.
std::string to_json(const RunState& state);
RunState state_from_json(std::string_view text);

struct Checkpoint {
  RunState state;
  model::StateDict network, optimiser;
  model::StateDict average;    ///< empty in a run without one
  std::filesystem::path file;  ///< where it was read from
};

/// Error when the file is missing, damaged or no checkpoint. Reading one never runs code: it is a state dict of tensors.
Checkpoint read_checkpoint(const std::filesystem::path& file);

/// The last two checkpoints of a run: checkpoint.safetensors and checkpoint-previous.safetensors.
class Checkpoints {
 public:
  explicit Checkpoints(const std::filesystem::path& run);

  /// Error when the disk is full or the folder cannot be written; what was there stays as it was.
  void save(const Checkpoint& checkpoint) const;

  /// The newest that is whole, with a warning when a newer one is damaged; nothing when there is none at all.
  /// Error when all there are, are damaged.
  std::optional<Checkpoint> load() const;

 private:
  std::filesystem::path next_, newest_, previous_;  // next_ is there only between the steps of save()
};

}  // namespace pulmoseg::training
