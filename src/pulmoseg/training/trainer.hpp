#pragma once
// The training loop, for any network that maps images to logits.

#include <torch/nn/module.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/training/adam.hpp"
#include "pulmoseg/training/batches.hpp"
#include "pulmoseg/training/checkpoint.hpp"
#include "pulmoseg/training/options.hpp"
#include "pulmoseg/training/process_group.hpp"
#include "pulmoseg/training/run_folder.hpp"
#include "pulmoseg/training/weight_average.hpp"

namespace pulmoseg::training {

/// After each batch: where the run stands.
struct StepRecord {
  std::int64_t epoch = 0, epochs = 0;   ///< epoch counted from 1
  std::int64_t batch = 0, batches = 0;  ///< batches finished of the epoch
  double training_loss = 0;             ///< mean of the epoch so far
  double samples_per_second = 0;        ///< of the epoch so far
  double seconds_left = 0;              ///< to the end of the run, validation included
};

struct TrainingResult {
  std::vector<EpochRecord> history;  ///< the newest last
  EpochRecord best;                  ///< whose weights were kept
};

/// Called in the thread that trains, on every rank. An exception from one ends the run; the last checkpoint stays.
struct TrainingCallbacks {
  std::function<void(const StepRecord&)> on_step;
  std::function<void(const TrainingResult&)> on_epoch;  ///< what there is so far
  std::stop_token stop;                                 ///< asks for a checkpoint and the end (Ctrl-C)
};

/// What is trained.
struct Network {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> forward;    ///< images N×1×H×W -> logits N×C×H×W
  std::function<void(const std::filesystem::path&)> write_onnx;  ///< of the weights as they are
  torch::Tensor logit_bias;                                      ///< its parameter that is added to the logits: C
};

/// One training run in its folder: the loss, Adam, an epoch of augmented slices, a validation, again. The best epoch is the one
/// with the lowest validation loss among those that were validated on the largest images.
/// Resumed with another number of ranks, an epoch goes on after the samples that it has had; a rest that is too small for the
/// ranks is left out of it.
///
/// Everything that is random depends on the seed and the position alone, and the checkpoint holds the rest, so a run that
/// was stopped and resumed gives the same bytes as one that was not (same processor, same number of threads and ranks; not on a
/// GPU, whose kernels add up in changing orders). One exception: the weights at a time limit in mid-epoch count as a candidate for the best, and stay it until an epoch is better.
///
/// Of several ranks, each takes its piece of every batch and all take the same steps; all begin with rank 0's weights and
/// position, and only rank 0 touches the folder. A stop that one is asked for stops all; rank 0's clock tells the time.
/// Errors: Error when a part is too small, when the loss is no longer a number, or when a file cannot be written;
/// Interrupted after the stop token's checkpoint. Threads: one at a time.
class Trainer {
 public:
  /// `group` must outlive the trainer.
  Trainer(Network network, const dataset::Dataset& dataset, const dataset::Split& split, RunFolder run,
          const TrainingOptions& options, torch::Device device, const TrainingCallbacks& callbacks,
          ProcessGroup& group);

  void resume(const Checkpoint& checkpoint);  ///< goes on from there
  TrainingResult run();

 private:
  using Clock = std::chrono::steady_clock;

  struct Validation {
    double loss;
    std::optional<double> dice;
    double shift;  ///< of lesion's logits, with which that Dice is reached
  };

  void begin_together();
  bool train_epoch();
  std::vector<Rows> batches_left() const;
  double train_step(const Batch& piece);
  void set_batch_norm_mode();
  void check_targets(const Rows& rows) const;
  Validation validate();
  void record_epoch(const Validation& validation, bool is_whole);
  void write_best(double shift);
  void warn_of_a_cut_schedule() const;

  torch::Tensor logits(const Batch& batch) const;
  double progress(double batches_of_epoch) const;
  double rate_of_batch(std::int64_t batch) const;
  std::int64_t image_size(std::int64_t batch) const;
  TrainingResult result() const;
  void save_checkpoint();
  void seed_dropout();
  void stop_if_asked();
  void report_step() const;
  bool time_is_up() const;
  double require_number(double loss, std::string_view part) const;

  Network network_;
  const dataset::Dataset& dataset_;
  RunFolder run_;
  TrainingOptions options_;
  TrainingCallbacks callbacks_;
  ProcessGroup& group_;
  torch::Device device_;
  dataset::ClassMap classes_;
  Rows training_rows_, validation_rows_;
  std::vector<std::string> patients_;  // of each row of the dataset
  Adam optimiser_;
  std::int64_t smallest_batch_, batches_an_epoch_;
  std::optional<WeightAverage> average_;
  RunState state_;
  std::vector<EpochRecord> history_;  // with the last, partial epoch of a run that was ended by its time limit
  double validation_seconds_ = 0;     // of the last validation
  Clock::time_point start_ = Clock::now(), last_checkpoint_ = start_;
};

}  // namespace pulmoseg::training
