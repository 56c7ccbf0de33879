// A run that was stopped and resumed ends with the bytes of one that was not.

#include <gtest/gtest.h>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/training/train.hpp"

namespace pulmoseg::training {
namespace {

using test::make_dataset;
using test::message_of;
using test::quick_options;
using test::StopAfter;
using test::train_tiny;

/// To the last bit, without the times.
std::vector<EpochRecord> history(const TrainingResult& result) {
  auto records = result.history;
  for (auto& record : records) record.seconds = record.samples_per_second = 0;
  return records;
}

struct Resume : testing::Test {
  test::TemporaryFolder folder;
  dataset::Dataset dataset = make_dataset(folder / "data", 26);  // 18 for training: 5 batches an epoch
  TrainingOptions options = [] {
    auto quick = quick_options();
    quick.epochs = 3;
    return quick;
  }();
  RunFolder whole{folder / "whole"}, parts{folder / "parts"};
  TrainingOptions again = [this] {
    auto same = options;
    same.resume = true;
    return same;
  }();

  void expect_same_bytes() const {
    EXPECT_EQ(read_file(parts.best_weights()), read_file(whole.best_weights()));
    EXPECT_EQ(read_file(parts.last_weights()), read_file(whole.last_weights()));
    EXPECT_EQ(read_file(parts.onnx()), read_file(whole.onnx()));
  }
};

TEST_F(Resume, TheSameSeedTwiceGivesTheSameBytes) {
  const auto first = train_tiny(dataset, whole.folder, options), second = train_tiny(dataset, parts.folder, options);
  EXPECT_EQ(history(first), history(second));
  expect_same_bytes();

  options.seed = 1;
  const auto other =
      train_network(test::tiny_network, dataset, dataset::split_by_slice(dataset, 0), folder / "other", options);
  EXPECT_NE(history(first), history(other));
}

TEST_F(Resume, StoppedAnywhereItEndsWithTheSameBytes) {
  const auto expected = train_tiny(dataset, whole.folder, options);
  for (const int steps : {1, 4, 5, 6, 15}) {  // first, middle and last batch of an epoch, and the very last one
    parts.folder = folder / ("stopped-after-" + std::to_string(steps));
    const StopAfter stop(steps);
    const auto message = message_of<Interrupted>([&] { train_tiny(dataset, parts.folder, options, stop.callbacks()); });
    ASSERT_NE(message.find("go on with --resume"), std::string::npos) << message;
    const auto resumed = train_tiny(dataset, parts.folder, again);
    EXPECT_EQ(history(resumed), history(expected)) << steps;
    expect_same_bytes();
  }
}

TEST_F(Resume, StoppedAtEveryStepItStillEndsWithTheSameBytes) {
  const auto expected = train_tiny(dataset, whole.folder, options);
  auto now = options;
  int stops = 0;
  for (; stops < 100; ++stops) {
    const StopAfter stop(1);
    try {
      const auto resumed = train_tiny(dataset, parts.folder, now, stop.callbacks());
      EXPECT_EQ(history(resumed), history(expected));
      break;
    } catch (const Interrupted&) {
      now.resume = true;
    }
  }
  EXPECT_EQ(stops, 15);
  expect_same_bytes();
}

TEST_F(Resume, WithASchedulePiecesEndWithTheSameBytes) {
  for (auto* run : {&options, &again}) {
    run->schedule = Schedule::cosine;
    run->warm_up = 0.1;
    run->progressive_size = true;
    run->weight_average = 4;
    run->freeze_batch_norm = 0.3;
    run->dice_loss = 1;
  }
  const auto expected = train_tiny(dataset, whole.folder, options);
  EXPECT_EQ(expected.history.front().size, 8);
  EXPECT_GT(expected.best.epoch, 1);
  for (const int steps : {4, 5, 10, 12, 15}) {
    parts.folder = folder / ("stopped-after-" + std::to_string(steps));
    const StopAfter stop(steps);
    EXPECT_THROW(train_tiny(dataset, parts.folder, options, stop.callbacks()), Interrupted);
    EXPECT_EQ(history(train_tiny(dataset, parts.folder, again)), history(expected)) << steps;
    expect_same_bytes();
  }
  again.epochs = 5;
  const auto message = message_of<Error>([&] { train_tiny(dataset, parts.folder, again); });
  EXPECT_NE(message.find("it was started with epochs 3, which its schedule follows, now it is 5"), std::string::npos)
      << message;
}

TEST_F(Resume, AFailureBetweenCheckpointsLosesNothingButTime) {
  train_tiny(dataset, whole.folder, options);
  int steps = 0;
  TrainingCallbacks failing;
  failing.on_step = [&](const StepRecord&) {
    if (++steps == 8) throw std::runtime_error("power cut");
  };
  EXPECT_THROW(train_tiny(dataset, parts.folder, options, failing), std::runtime_error);
  train_tiny(dataset, parts.folder, again);
  expect_same_bytes();
}

TEST_F(Resume, WhatAKilledRunWasWritingIsRemoved) {
  train_tiny(dataset, parts.folder, options);
  const auto unfinished = parts.folder / ".partial-4711-checkpoint.safetensors";
  write_file(unfinished, "half a checkpoint");
  train_tiny(dataset, parts.folder, again);
  EXPECT_FALSE(std::filesystem::exists(unfinished));
}

TEST_F(Resume, BeforeTheFirstCheckpointItStartsAgain) {
  train_tiny(dataset, whole.folder, options);
  TrainingCallbacks failing;
  failing.on_step = [](const StepRecord&) { throw std::runtime_error("power cut"); };
  EXPECT_THROW(train_tiny(dataset, parts.folder, options, failing), std::runtime_error);
  EXPECT_FALSE(parts.checkpoints().load());
  train_tiny(dataset, parts.folder, again);
  expect_same_bytes();
}

TEST_F(Resume, CheckpointsByTimeChangeNothing) {
  train_tiny(dataset, whole.folder, options);
  options.checkpoint_minutes = 1e-9;  // after every step
  int steps = 0;
  TrainingCallbacks failing;
  failing.on_step = [&](const StepRecord&) {
    if (++steps == 8) throw std::runtime_error("power cut");
  };
  EXPECT_THROW(train_tiny(dataset, parts.folder, options, failing), std::runtime_error);
  EXPECT_EQ(parts.checkpoints().load()->state.batch, 2);  // 5 of the first epoch, then 2 that were saved
  train_tiny(dataset, parts.folder, again);
  expect_same_bytes();
}

TEST_F(Resume, MoreEpochsGoOnFromAFinishedRun) {
  train_tiny(dataset, whole.folder, options);
  options.epochs = 1;
  train_tiny(dataset, parts.folder, options);
  train_tiny(dataset, parts.folder, again);
  expect_same_bytes();
  EXPECT_EQ(read_config(parts).options.epochs, 3);  // or a second --resume would stop short
}

TEST_F(Resume, AFinishedRunIsLeftAsItIs) {
  const auto before = train_tiny(dataset, parts.folder, options);
  const auto weights = read_file(parts.best_weights());
  const auto after = train_tiny(dataset, parts.folder, again);
  EXPECT_EQ(history(before), history(after));
  EXPECT_EQ(after.best, before.best);
  EXPECT_EQ(read_file(parts.best_weights()), weights);
}

TEST_F(Resume, ATimeLimitFinishesTheRunAndCanBeLifted) {
  const auto expected = train_tiny(dataset, whole.folder, options);
  auto limited = options;
  limited.max_minutes = 1e-9;
  const auto result = train_tiny(dataset, parts.folder, limited);
  ASSERT_EQ(result.history.size(), 1u);  // after one step: validated, recorded, written
  EXPECT_EQ(result.best.epoch, 1);
  EXPECT_TRUE(std::filesystem::exists(parts.best_weights()));
  EXPECT_TRUE(std::filesystem::exists(parts.onnx()));
  EXPECT_EQ(parts.checkpoints().load()->state.batch, 1);
  EXPECT_EQ(history(train_tiny(dataset, parts.folder, again)), history(expected));
  EXPECT_EQ(read_file(parts.last_weights()), read_file(whole.last_weights()));
}

TEST_F(Resume, AnotherRunIsRefusedWithTheDifference) {
  train_tiny(dataset, parts.folder, options);
  const auto split = dataset::split_by_slice(dataset, 0);
  const auto message = [&](const dataset::Dataset& data, const dataset::Split& its_split, auto change) {
    auto changed = again;
    change(changed);
    return message_of<Error>([&] { train_network(test::tiny_network, data, its_split, parts.folder, changed); });
  };
  const auto expect = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(message(dataset, split, [](auto& changed) { changed.seed = 1; }), "it was started with seed 0, now it is 1");
  expect(message(dataset, split, [](auto& changed) { changed.learning_rate = 1e-3; }),
         "it was started with learning_rate 0.01, now it is 0.001");
  expect(message(dataset, dataset::split_by_slice(dataset, 1), [](auto&) {}), "it was started with the split");
  const auto other = make_dataset(folder / "other", 27);
  expect(message(other, dataset::split_by_slice(other, 0), [](auto&) {}), "it was started with the dataset data (");
  const auto description = folder / "data" / "dataset.json";
  const auto before = read_file(description);
  write_file(description, before + "\n");
  expect(message(dataset, split, [](auto&) {}),
         "it was started with the dataset data as it was prepared then, now it is prepared anew");
  write_file(description, before);
  const auto larger = make_dataset(folder / "larger", 26, 32);
  expect(message(larger, dataset::split_by_slice(larger, 0), [](auto&) {}), "slices of size 16, now it is 32");
}

TEST_F(Resume, AFolderWithoutARunIsRefused) {
  const auto message = message_of<Error>([&] { train_tiny(dataset, folder / "nothing", again); });
  EXPECT_NE(message.find("holds no training run"), std::string::npos) << message;
}

TEST_F(Resume, GoesOnFromTheCheckpointBeforeADamagedOne) {
  train_tiny(dataset, whole.folder, options);
  options.epochs = 2;
  train_tiny(dataset, parts.folder, options);
  const auto newest = parts.folder / "checkpoint.safetensors";
  const auto good = read_file(newest);
  write_file(newest, good.substr(0, good.size() / 2));
  EXPECT_EQ(parts.checkpoints().load()->state.epoch, 1);
  train_tiny(dataset, parts.folder, again);
  expect_same_bytes();
}

TEST_F(Resume, AnyStepOfKeepingACheckpointMayBeTheLast) {
  train_tiny(dataset, whole.folder, options);
  options.epochs = 2;
  train_tiny(dataset, parts.folder, options);
  const auto next = parts.folder / "checkpoint-next.safetensors", newest = parts.folder / "checkpoint.safetensors";
  const auto previous = parts.folder / "checkpoint-previous.safetensors";
  std::filesystem::rename(newest, next);  // written, the older one renamed, the new one not yet
  EXPECT_EQ(parts.checkpoints().load()->state.epoch, 2);
  std::filesystem::rename(previous, newest);  // written, nothing renamed
  EXPECT_EQ(parts.checkpoints().load()->state.epoch, 2);
  train_tiny(dataset, parts.folder, again);
  EXPECT_FALSE(std::filesystem::exists(next));
  expect_same_bytes();
}

TEST_F(Resume, ADamagedRunIsRefusedByFile) {
  train_tiny(dataset, parts.folder, options);
  again.epochs = 5;
  for (const char* name : {"checkpoint.safetensors", "checkpoint-previous.safetensors"}) {
    const auto good = read_file(parts.folder / name);
    write_file(parts.folder / name, good.substr(0, good.size() / 2));
  }
  const auto checkpoint = message_of<Error>([&] { train_tiny(dataset, parts.folder, again); });
  EXPECT_NE(checkpoint.find((parts.folder / "checkpoint.safetensors").string()), std::string::npos) << checkpoint;
  write_file(parts.config(), "{");
  const auto config = message_of<Error>([&] { train_tiny(dataset, parts.folder, again); });
  EXPECT_NE(config.find("config.json: is damaged"), std::string::npos) << config;
}

}  // namespace
}  // namespace pulmoseg::training
