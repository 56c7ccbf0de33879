#include "pulmoseg/training/batches.hpp"

#include <gtest/gtest.h>
#include <torch/nn/functional/upsampling.h>

#include <algorithm>
#include <numeric>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/npy.hpp"
#include "pulmoseg/training/augment.hpp"

namespace pulmoseg::training {
namespace {

using test::make_dataset;
using test::message_of;

Rows rows_up_to(std::int64_t count) {
  Rows rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::vector<std::size_t> sizes(std::int64_t rows, std::int64_t batch_size) {
  std::vector<std::size_t> sizes;
  for (const auto& batch : make_batches(rows_up_to(rows), batch_size)) sizes.push_back(batch.size());
  return sizes;
}

TEST(Batches, ALastBatchOfOneJoinsTheBatchBefore) {
  EXPECT_EQ(sizes(8, 4), (std::vector<std::size_t>{4, 4}));
  EXPECT_EQ(sizes(9, 4), (std::vector<std::size_t>{4, 5}));
  EXPECT_EQ(sizes(10, 4), (std::vector<std::size_t>{4, 4, 2}));
  EXPECT_EQ(sizes(3, 2), (std::vector<std::size_t>{3}));
  EXPECT_EQ(sizes(1, 4), (std::vector<std::size_t>{1}));  // validation of one slice
  EXPECT_TRUE(sizes(0, 4).empty());
}

TEST(Batches, ALastBatchWithTooFewForTheRanksJoinsTheBatchBefore) {
  const auto smallest_of = [](std::int64_t rows) {
    std::vector<std::size_t> sizes;
    for (const auto& batch : make_batches(rows_up_to(rows), 8, 4)) sizes.push_back(batch.size());
    return sizes;
  };
  EXPECT_EQ(smallest_of(20), (std::vector<std::size_t>{8, 8, 4}));
  EXPECT_EQ(smallest_of(19), (std::vector<std::size_t>{8, 11}));
  EXPECT_EQ(smallest_of(3), (std::vector<std::size_t>{3}));
}

TEST(Batches, PiecesAreEveryRowOnceInOrder) {
  const std::vector<Rows> batches = make_batches(rows_up_to(19), 8);  // 8, 8 and 3
  std::vector<Rows> joined(batches.size());
  for (int rank = 0; rank < 4; ++rank) {
    const auto pieces = pieces_of(batches, rank, 4);
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(pieces[0].size(), 2u);
    EXPECT_LE(pieces[2].size(), 1u);  // one of four has none
    for (std::size_t i = 0; i < pieces.size(); ++i)
      joined[i].insert(joined[i].end(), pieces[i].begin(), pieces[i].end());
  }
  EXPECT_EQ(joined, batches);
}

TEST(Batches, ShufflingKeepsEveryRowOnceAndDependsOnSeedAndEpoch) {
  const auto flat = [](std::uint64_t seed, std::int64_t epoch) {
    Rows all;
    for (const auto& batch : make_batches(shuffled(rows_up_to(101), seed, epoch), 4))
      all.insert(all.end(), batch.begin(), batch.end());
    return all;
  };
  Rows sorted = flat(5, 2);
  EXPECT_NE(sorted, rows_up_to(101));
  std::ranges::sort(sorted);
  EXPECT_EQ(sorted, rows_up_to(101));
  EXPECT_EQ(flat(5, 2), flat(5, 2));
  EXPECT_NE(flat(5, 2), flat(5, 3));
  EXPECT_NE(flat(5, 2), flat(6, 2));
}

TEST(Batches, ImageAndMaskTurnTogetherAndAreNormalised) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 6, 12);
  TrainingOptions options;
  options.mean = 0.25;
  options.standard_deviation = 0.5;
  BatchLoader loader(dataset, options, {{4, 1, 3}, {0, 5}}, 7);

  for (const Rows& rows : {Rows{4, 1, 3}, Rows{0, 5}}) {
    const auto batch = loader.next();
    ASSERT_TRUE(batch);
    ASSERT_EQ(batch->images.sizes(), (std::vector<std::int64_t>{std::ssize(rows), 1, 12, 12}));
    ASSERT_EQ(batch->targets.sizes(), (std::vector<std::int64_t>{std::ssize(rows), 12, 12}));
    ASSERT_EQ(batch->targets.scalar_type(), torch::kInt64);
    for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
      const auto row = rows[static_cast<std::size_t>(i)];
      // LibTorch's own flip and rot90 are the other implementation.
      auto image = torch::from_blob(const_cast<float*>(dataset.image(row).data()), {12, 12}, torch::kFloat32);
      auto mask = torch::from_blob(const_cast<std::uint8_t*>(dataset.lesion_mask(row).data()), {12, 12}, torch::kUInt8);
      const auto orientation = draw_orientation(options, 7, row);
      if (orientation.flipped) image = image.flip({1}), mask = mask.flip({1});
      image = image.rot90(orientation.quarter_turns), mask = mask.rot90(orientation.quarter_turns);
      EXPECT_TRUE(torch::allclose(batch->images[i][0], (image - 0.25) / 0.5, 0, 1e-6));
      EXPECT_TRUE(torch::equal(batch->targets[i], mask.to(torch::kInt64)));
    }
  }
  EXPECT_FALSE(loader.next());
}

// A neighbour in a channel is what it would be as a sample of its own, turned as the sample in the middle is.
TEST(Batches, NeighboursAreChannelsThatTurnTogether) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 6, 12);  // cases of two slices
  TrainingOptions options;
  options.equalisation = 2;
  TrainingOptions with_neighbours = options;
  with_neighbours.neighbours = 1;
  BatchLoader plain(dataset, options, {{2, 3}}, std::nullopt), wide(dataset, with_neighbours, {{2, 3}}, std::nullopt);
  const auto slices = plain.next()->images, samples = wide.next()->images;
  ASSERT_EQ(samples.sizes(), (std::vector<std::int64_t>{2, 3, 12, 12}));
  ASSERT_TRUE(samples.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(torch::equal(samples[0], torch::stack({slices[0][0], slices[0][0], slices[1][0]})));
  EXPECT_TRUE(torch::equal(samples[1], torch::stack({slices[0][0], slices[1][0], slices[1][0]})));

  with_neighbours.equalisation = 0;
  BatchLoader turned(dataset, with_neighbours, {{3}}, 7);
  const auto image = turned.next()->images[0];
  auto lower = torch::from_blob(const_cast<float*>(dataset.image(2).data()), {12, 12}, torch::kFloat32);
  const auto orientation = draw_orientation(with_neighbours, 7, 3);
  if (orientation.flipped) lower = lower.flip({1});
  EXPECT_TRUE(torch::equal(image[0], lower.rot90(orientation.quarter_turns)));
}

TEST(Batches, ResizesAsPreparingDoes) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 4, 12);
  BatchLoader loader(dataset, {}, {{2, 3}, {3, 0}}, std::nullopt, [](std::size_t n) { return n == 0 ? 9 : 12; });
  const auto small = loader.next(), whole = loader.next();
  ASSERT_EQ(small->images.sizes(), (std::vector<std::int64_t>{2, 1, 9, 9}));
  EXPECT_EQ(whole->images.size(2), 12);
  namespace functional = torch::nn::functional;
  const auto image = torch::from_blob(const_cast<float*>(dataset.image(2).data()), {1, 1, 12, 12}, torch::kFloat32);
  const auto mask =
      torch::from_blob(const_cast<std::uint8_t*>(dataset.lesion_mask(2).data()), {1, 1, 12, 12}, torch::kUInt8);
  const auto options = functional::InterpolateFuncOptions().size(std::vector<std::int64_t>{9, 9});
  EXPECT_TRUE(torch::allclose(
      small->images[0][0],
      functional::interpolate(
          image, functional::InterpolateFuncOptions(options).mode(torch::kBilinear).align_corners(false))[0][0],
      0, 1e-6));
  EXPECT_TRUE(torch::equal(
      small->targets[0],
      functional::interpolate(mask, functional::InterpolateFuncOptions(options).mode(torch::kNearestExact))[0][0].to(
          torch::kInt64)));
}

}  // namespace
}  // namespace pulmoseg::training
