#include "pulmoseg/training/options.hpp"

#include <gtest/gtest.h>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::training {
namespace {

using test::message_of;

TEST(TrainingOptions, DefaultsAreTheOriginals) {
  const TrainingOptions options = recipe("original");
  EXPECT_EQ(options.epochs, 20);
  EXPECT_EQ(options.batch_size, 4);
  EXPECT_EQ(options.learning_rate, 1e-4);
  EXPECT_EQ(options.flip_probability, 0.5);
  EXPECT_TRUE(options.quarter_turns);
  EXPECT_EQ(options.mean, 0.0);
  EXPECT_EQ(options.standard_deviation, 1.0);
  EXPECT_EQ(options.classes, "lesion");
}

TEST(TrainingOptions, EveryRecipeIsPossible) {
  for (const char* name : {"original", "fast", "robust"}) {
    EXPECT_EQ(recipe(name).recipe, name);
    EXPECT_EQ(message_of<UsageError>([&] { check(recipe(name)); }), "");
  }
}

TEST(TrainingOptions, WhatIsUnknownIsAnsweredWithWhatThereIs) {
  EXPECT_EQ(message_of<UsageError>([] { recipe("slow"); }), "--recipe slow: there are original, fast and robust");
  EXPECT_EQ(message_of<UsageError>([] { parse_schedule("step"); }), "--schedule step: there are constant and cosine");
  EXPECT_EQ(message_of<UsageError>([] { parse_precision("fp8"); }), "--precision fp8: there are auto, fp32 and bf16");
}

TEST(TrainingOptions, ImpossibleValuesAreRefused) {
  const auto message = [](auto change) {
    TrainingOptions options;
    change(options);
    return message_of<UsageError>([&] { check(options); });
  };
  EXPECT_EQ(message([](auto&) {}), "");
  EXPECT_NE(message([](auto& options) { options.batch_size = 1; }).find("--batch-size"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.epochs = 0; }).find("--epochs"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.learning_rate = NAN; }).find("--learning-rate"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.flip_probability = 1.5; }).find("--flip-probability"),
            std::string::npos);
  EXPECT_NE(message([](auto& options) { options.standard_deviation = 0; }).find("--standard-deviation"),
            std::string::npos);
  EXPECT_NE(message([](auto& options) { options.warm_up = 1; }).find("--warm-up"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.focal_loss = -1; }).find("--focal-loss"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.focal_loss = 0.5; }).find("--focal-loss"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.dice_loss = -1; }).find("--dice-loss"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.equalise_unfamiliar = true; }).find("--equalise-unfamiliar"),
            std::string::npos);
  EXPECT_NE(message([](auto& options) { options.device = "tpu"; }).find("--device"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.max_minutes = 0; }).find("--max-minutes"), std::string::npos);
  EXPECT_NE(message([](auto& options) { options.checkpoint_minutes = INFINITY; }).find("--checkpoint-minutes"),
            std::string::npos);
}

TEST(TrainingOptions, EachRankNeedsItsShareOfTheBatch) {
  TrainingOptions options;
  EXPECT_NO_THROW(check(options, 2));
  EXPECT_EQ(message_of<UsageError>([&] { check(options, 4); }),
            "--batch-size: expected at least 8 for 4 ranks, since BatchNorm cannot train on a single sample");
  options.sync_batch_norm = true;
  EXPECT_NO_THROW(check(options, 4));
}

}  // namespace
}  // namespace pulmoseg::training
