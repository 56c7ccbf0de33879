#include "pulmoseg/training/batches.hpp"

#include <utility>

#include "pulmoseg/training/appearance.hpp"
#include "pulmoseg/training/augment.hpp"
#include "pulmoseg/training/random.hpp"

namespace pulmoseg::training {
namespace {

struct Slice {
  std::vector<float> pixels;
  std::vector<std::uint8_t> labels;
  explicit Slice(std::int64_t size)
      : pixels(static_cast<std::size_t>(size * size)), labels(static_cast<std::size_t>(size * size)) {}
};

Slice resized(const dataset::Dataset& dataset, const dataset::ClassMap& classes, std::int64_t row, std::int64_t size) {
  Slice slice(size);
  std::vector<std::uint8_t> targets(dataset.image(row).size());
  classes.targets(dataset, row, targets);
  dataset::resize_bilinear(dataset.image(row), dataset.rows(), dataset.columns(), slice.pixels, size, size);
  dataset::resize_nearest(std::span<const std::uint8_t>(targets), dataset.rows(), dataset.columns(),
                          std::span(slice.labels), size, size);
  return slice;
}

Slice deformed(const Slice& slice, std::int64_t size, const Deformation& deformation) {
  Slice answer(size);
  deform(std::span<const float>(slice.pixels), answer.pixels, size, deformation);
  deform(std::span<const std::uint8_t>(slice.labels), answer.labels, size, deformation);
  return answer;
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

dataset::Preprocessing preprocessing_for(std::int64_t size, const TrainingOptions& options) {
  return {.size = size, .mean = options.mean, .standard_deviation = options.standard_deviation};
}

BatchLoader::BatchLoader(const dataset::Dataset& dataset, const TrainingOptions& options, std::vector<Rows> batches,
                         std::optional<std::int64_t> augmented_epoch, SizeOfBatch size_of_batch)
    : dataset_(dataset),
      options_(options),
      preprocessing_(preprocessing_for(dataset.rows(), options)),
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
  const std::int64_t count = std::ssize(rows), pixels = size * size;
  Batch batch{.images = torch::empty({count, 1, size, size}, torch::MemoryFormat::ChannelsLast),
              .targets = torch::empty({count, size, size}, torch::kInt64)};
  for (std::int64_t i = 0; i < count; ++i) {
    load_slice(rows[static_cast<std::size_t>(i)], size,
               {batch.images.data_ptr<float>() + i * pixels, static_cast<std::size_t>(pixels)},
               {batch.targets.data_ptr<std::int64_t>() + i * pixels, static_cast<std::size_t>(pixels)});
  }
  return batch;
}

void BatchLoader::load_slice(std::int64_t row, std::int64_t size, std::span<float> image,
                             std::span<std::int64_t> target) const {
  Slice slice = resized(dataset_, classes_, row, size);
  const Deformation deformation = augmented_epoch_ ? draw_deformation(options_, *augmented_epoch_, row) : Deformation{};
  if (!deformation.changes_nothing()) slice = deformed(slice, size, deformation);
  const Orientation orientation = augmented_epoch_ ? draw_orientation(options_, *augmented_epoch_, row) : Orientation{};
  orient(std::span<const float>(slice.pixels), image, size, orientation);
  orient(std::span<const std::uint8_t>(slice.labels), target, size, orientation);
  if (augmented_epoch_ && options_.appearance > 0)
    change_appearance(image, size, draw_appearance(options_, *augmented_epoch_, row));
  dataset::normalise(image, preprocessing_);
}

}  // namespace pulmoseg::training
