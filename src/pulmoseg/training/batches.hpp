#pragma once
// From a dataset's rows to the batches that the network sees: which rows together, in what orientation, one batch ahead.

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <span>
#include <vector>

#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/training/options.hpp"

namespace pulmoseg::training {

struct Batch {
  torch::Tensor images;   ///< N×channels×H×W float32, channels last, finished
  torch::Tensor targets;  ///< N×H×W int64, a class for every pixel
  std::int64_t size() const { return images.size(0); }
};

using Rows = std::vector<std::int64_t>;

/// The rows in batches, in order. A last batch of fewer than `smallest` samples joins the batch before it: see smallest_batch().
std::vector<Rows> make_batches(const Rows& rows, std::int64_t batch_size, std::int64_t smallest = 2);

/// In an epoch's order, which depends on the seed and the epoch alone.
Rows shuffled(Rows rows, std::uint64_t seed, std::int64_t epoch);

/// One rank's share of each batch: in order, of sizes that differ by at most one, empty where there are fewer rows than ranks.
std::vector<Rows> pieces_of(const std::vector<Rows>& batches, int rank, int ranks);

/// Rows and columns of the images of the n-th batch. Empty: those of the dataset.
using SizeOfBatch = std::function<std::int64_t(std::size_t)>;

/// Hands out batches in order and prepares the next one in a thread of its own meanwhile.
///
/// The dataset must outlive the loader, and know the targets of the rows. Errors (a row that is not there) come out of next().
class BatchLoader {
 public:
  /// `augmented_epoch`: the epoch whose random orientations are applied; nothing: slices as they are. Slices of another size
  /// than the dataset's are resized as images and masks are when they are prepared.
  BatchLoader(const dataset::Dataset& dataset, const TrainingOptions& options, std::vector<Rows> batches,
              std::optional<std::int64_t> augmented_epoch, SizeOfBatch size_of_batch = {});

  std::optional<Batch> next();

 private:
  Batch load(const Rows& rows, std::int64_t size) const;
  void load_sample(std::int64_t row, std::int64_t size, std::span<float> image, std::span<std::int64_t> target) const;
  void prepare_next();

  const dataset::Dataset& dataset_;
  TrainingOptions options_;
  dataset::Preprocessing preprocessing_;
  dataset::ClassMap classes_;
  std::vector<Rows> batches_;
  std::optional<std::int64_t> augmented_epoch_;
  std::size_t position_ = 0;
  SizeOfBatch size_of_batch_;
  std::future<Batch> ahead_;  // last: its destructor waits for the thread, which uses the members above
};

/// What turns a scan's slice into the network's input: what the dataset did, then what the options say.
dataset::Preprocessing preprocessing_for(const dataset::Dataset& dataset, const TrainingOptions& options);

}  // namespace pulmoseg::training
