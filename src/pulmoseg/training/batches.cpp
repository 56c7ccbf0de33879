#include "pulmoseg/training/batches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/training/augment.hpp"
#include "pulmoseg/training/random.hpp"

namespace pulmoseg::training {
namespace {

void check_labels(std::span<const std::uint8_t> labels, std::size_t classes, std::int64_t row,
                  const std::filesystem::path& dataset) {
  const std::uint8_t highest = std::ranges::max(labels);
  if (highest < classes) return;
  throw Error(fmt::format("{}: row {} has a pixel of class {}, expected classes 0 to {}; prepare the dataset again",
                          (dataset / "lesion_masks.npy").string(), row, highest, classes - 1));
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
      classes_(class_names(options.classes).size()),
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
  auto pixels = dataset_.image(row);
  auto labels = dataset_.lesion_mask(row);
  check_labels(labels, classes_, row, dataset_.folder());
  std::vector<float> resized_pixels;
  std::vector<std::uint8_t> resized_labels;
  if (size != dataset_.rows()) {
    resized_pixels.resize(image.size());
    resized_labels.resize(image.size());
    dataset::resize_bilinear(pixels, dataset_.rows(), dataset_.columns(), std::span(resized_pixels), size, size);
    dataset::resize_nearest(labels, dataset_.rows(), dataset_.columns(), std::span(resized_labels), size, size);
    pixels = resized_pixels;
    labels = resized_labels;
  }
  const Orientation orientation = augmented_epoch_ ? draw_orientation(options_, *augmented_epoch_, row) : Orientation{};
  orient(pixels, image, size, orientation);
  orient(labels, target, size, orientation);
  if (augmented_epoch_ && options_.intensity_jitter > 0)
    change_intensity(image, draw_intensity(options_, *augmented_epoch_, row));
  dataset::normalise(image, preprocessing_);
}

}  // namespace pulmoseg::training
