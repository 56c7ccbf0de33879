#include "pulmoseg/training/batches.hpp"

#include <utility>

#include "pulmoseg/dataset/neighbours.hpp"
#include "pulmoseg/training/appearance.hpp"
#include "pulmoseg/training/augment.hpp"
#include "pulmoseg/training/random.hpp"

namespace pulmoseg::training {
namespace {

/// How a sample is changed in an epoch: its slice, and the neighbours that stand beside it, all alike.
struct Augmentation {
  Deformation deformation = {};
  Orientation orientation = {};
  std::optional<Appearance> appearance = {};
};

Augmentation draw_augmentation(const TrainingOptions& options, std::optional<std::int64_t> epoch, std::int64_t row) {
  if (!epoch) return {};
  Augmentation drawn{.deformation = draw_deformation(options, *epoch, row),
                     .orientation = draw_orientation(options, *epoch, row)};
  if (options.appearance > 0) drawn.appearance = draw_appearance(options, *epoch, row);
  return drawn;
}

template <class In, class Out>
void move_pixels(std::vector<In> pixels, std::span<Out> out, std::int64_t size, const Augmentation& augmentation) {
  if (!augmentation.deformation.changes_nothing()) {
    std::vector<In> deformed(pixels.size());
    deform(std::span<const In>(pixels), std::span<In>(deformed), size, augmentation.deformation);
    pixels.swap(deformed);
  }
  orient(std::span<const In>(pixels), out, size, augmentation.orientation);
}

std::vector<float> load_image(const dataset::Dataset& dataset, std::int64_t row, std::int64_t size,
                              const Augmentation& augmentation) {
  std::vector<float> image(static_cast<std::size_t>(size * size)), moved(image.size());
  dataset::resize_bilinear(dataset.image(row), dataset.rows(), dataset.columns(), image, size, size);
  move_pixels(std::move(image), std::span(moved), size, augmentation);
  if (augmentation.appearance) change_appearance(moved, size, *augmentation.appearance);
  return moved;
}

void load_targets(const dataset::Dataset& dataset, const dataset::ClassMap& classes, std::int64_t row,
                  std::int64_t size, const Augmentation& augmentation, std::span<std::int64_t> out) {
  std::vector<std::uint8_t> targets(dataset.image(row).size()), labels(static_cast<std::size_t>(size * size));
  classes.targets(dataset, row, targets);
  dataset::resize_nearest(std::span<const std::uint8_t>(targets), dataset.rows(), dataset.columns(), std::span(labels),
                          size, size);
  move_pixels(std::move(labels), out, size, augmentation);
}

}  // namespace

std::vector<Rows> make_batches(const Rows& rows, std::int64_t batch_size, std::int64_t smallest) {
  std::vector<Rows> batches;
  for (auto first = rows.begin(); first != rows.end();) {
    const std::int64_t left = rows.end() - first;
    const std::int64_t count = left - batch_size < smallest ? left : batch_size;
    batches.emplace_back(first, first + count);
    first += count;
  }
  return batches;
}

Rows shuffled(Rows rows, std::uint64_t seed, std::int64_t epoch) {
  Random random(RandomUse::shuffle, {seed, static_cast<std::uint64_t>(epoch)});
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.below(i)]);
  return rows;
}

std::vector<Rows> pieces_of(const std::vector<Rows>& batches, int rank, int ranks) {
  std::vector<Rows> pieces;
  for (const Rows& rows : batches) {
    const auto border = [&](std::int64_t before) { return rows.begin() + std::ssize(rows) * before / ranks; };
    pieces.emplace_back(border(rank), border(rank + 1));
  }
  return pieces;
}

dataset::Preprocessing preprocessing_for(const dataset::Dataset& dataset, const TrainingOptions& options) {
  return {.size = dataset.rows(),
          .window = dataset.info().preprocessing.window,
          .equalisation = options.equalisation,
          .equalise_unfamiliar = options.equalise_unfamiliar,
          .mean = options.mean,
          .standard_deviation = options.standard_deviation,
          .neighbours = options.neighbours};
}

BatchLoader::BatchLoader(const dataset::Dataset& dataset, const TrainingOptions& options, std::vector<Rows> batches,
                         std::optional<std::int64_t> augmented_epoch, SizeOfBatch size_of_batch)
    : dataset_(dataset),
      options_(options),
      preprocessing_(preprocessing_for(dataset, options)),
      classes_(dataset::ClassMap::parse(options.classes)),
      batches_(std::move(batches)),
      augmented_epoch_(augmented_epoch),
      size_of_batch_(std::move(size_of_batch)) {
  prepare_next();
}

std::optional<Batch> BatchLoader::next() {
  if (!ahead_.valid()) return std::nullopt;
  Batch batch = ahead_.get();
  prepare_next();
  return batch;
}

void BatchLoader::prepare_next() {
  if (position_ >= batches_.size()) return;
  const std::int64_t size = size_of_batch_ ? size_of_batch_(position_) : dataset_.rows();
  ahead_ = std::async(std::launch::async, [this, size, &rows = batches_[position_]] { return load(rows, size); });
  ++position_;
}

// Plain loops over torch's memory: an operator of torch would start a second pool of threads in this one.
Batch BatchLoader::load(const Rows& rows, std::int64_t size) const {
  const std::int64_t count = std::ssize(rows), pixels = size * size, channels = preprocessing_.channels();
  Batch batch{.images = torch::empty({count, channels, size, size}, torch::MemoryFormat::ChannelsLast),
              .targets = torch::empty({count, size, size}, torch::kInt64)};
  for (std::int64_t i = 0; i < count; ++i) {
    load_sample(rows[static_cast<std::size_t>(i)], size,
                {batch.images.data_ptr<float>() + i * channels * pixels, static_cast<std::size_t>(channels * pixels)},
                {batch.targets.data_ptr<std::int64_t>() + i * pixels, static_cast<std::size_t>(pixels)});
  }
  return batch;
}

void BatchLoader::load_sample(std::int64_t row, std::int64_t size, std::span<float> image,
                              std::span<std::int64_t> target) const {
  const Augmentation augmentation = draw_augmentation(options_, augmented_epoch_, row);
  load_targets(dataset_, classes_, row, size, augmentation, target);
  const Rows rows = dataset::neighbours_of(dataset_, row, preprocessing_.neighbours);
  for (std::size_t channel = 0; channel < rows.size(); ++channel) {
    std::vector<float> slice = load_image(dataset_, rows[channel], size, augmentation);
    dataset::finish(slice, size, size, preprocessing_);
    for (std::size_t i = 0; i < slice.size(); ++i) image[i * rows.size() + channel] = slice[i];  // channels last
  }
}

}  // namespace pulmoseg::training
