#include "pulmoseg/training/checkpoint.hpp"

#include <gtest/gtest.h>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/weights.hpp"

namespace pulmoseg::training {
namespace {

TEST(Checkpoint, ComesBackToTheLastBit) {
  const test::TemporaryFolder folder;
  Checkpoint saved;
  saved.state = {.epoch = 2,
                 .batch = 5,
                 .samples = 21,
                 .loss_sum = 0.1 + 0.2,
                 .training_seconds = 1.0 / 3,
                 .history = {{1, 128, 0.7, 1e-300, 1.0 / 3, 1e-4, 12.5, 2.0 / 7}, {2, 256, 0.1, 0.3, {}, 1e-4, 11, 3}},
                 .best = EpochRecord{2, 256, 0.1, 0.3, 0.1, 1e-4, 11, 3}};
  saved.network = {{"a.weight", torch::randn({3, 2, 3, 3}).contiguous(torch::MemoryFormat::ChannelsLast)},
                   {"a.count", torch::tensor(7, torch::kInt64)}};
  saved.optimiser = {{"step", torch::tensor(9.0f)}};
  saved.average = {{"a.weight", torch::randn({3, 2, 3, 3})}};
  Checkpoints(folder.path()).save(saved);
  const Checkpoint read = read_checkpoint(folder / "checkpoint.safetensors");

  EXPECT_EQ(read.state.epoch, 2);
  EXPECT_EQ(read.state.batch, 5);
  EXPECT_EQ(read.state.samples, 21);
  EXPECT_EQ(read.state.loss_sum, 0.1 + 0.2);
  EXPECT_EQ(read.state.training_seconds, 1.0 / 3);
  EXPECT_EQ(read.state.best, saved.state.best);
  EXPECT_EQ(read.state.history, saved.state.history);
  ASSERT_EQ(read.network.size(), 2u);
  EXPECT_TRUE(torch::equal(*model::find(read.network, "a.weight"), saved.network[0].second));
  EXPECT_TRUE(torch::equal(*model::find(read.network, "a.count"), saved.network[1].second));
  EXPECT_TRUE(torch::equal(*model::find(read.optimiser, "step"), saved.optimiser[0].second));
  EXPECT_TRUE(torch::equal(*model::find(read.average, "a.weight"), saved.average[0].second));
}

TEST(Checkpoint, OtherFilesAreRefusedByName) {
  const test::TemporaryFolder folder;
  const auto file = folder / "checkpoint.safetensors";
  model::write_weights({{"weight", torch::zeros({2})}}, file);
  EXPECT_NE(test::message_of<Error>([&] { read_checkpoint(file); }).find("expected a checkpoint of a training run"),
            std::string::npos);

  write_file(file, "not a checkpoint");
  EXPECT_NE(test::message_of<Error>([&] { read_checkpoint(file); }).find(file.string()), std::string::npos);
  std::filesystem::remove(file);
  EXPECT_NE(test::message_of<Error>([&] { read_checkpoint(file); }).find(file.string()), std::string::npos);
}

}  // namespace
}  // namespace pulmoseg::training
