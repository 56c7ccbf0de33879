#include "pulmoseg/training/schedule.hpp"

#include <gtest/gtest.h>

namespace pulmoseg::training {
namespace {

TEST(LearningRate, IsConstantInTheOriginal) {
  const TrainingOptions options;
  for (const double progress : {0.0, 0.3, 0.999}) EXPECT_EQ(learning_rate_at(progress, options), 1e-4);
}

TEST(LearningRate, RisesInAStraightLineAndFallsInHalfAWave) {
  TrainingOptions options;
  options.learning_rate = 2;
  options.schedule = Schedule::cosine;
  options.warm_up = 0.2;
  EXPECT_EQ(learning_rate_at(0, options), 0);
  EXPECT_NEAR(learning_rate_at(0.05, options), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate_at(0.2, options), 2, 1e-12);
  EXPECT_NEAR(learning_rate_at(0.4, options), 1 + std::sqrt(0.5), 1e-12);  // a quarter of the way down
  EXPECT_NEAR(learning_rate_at(0.6, options), 1, 1e-12);
  EXPECT_NEAR(learning_rate_at(1, options), 0, 1e-12);
  options.warm_up = 0;
  EXPECT_EQ(learning_rate_at(0, options), 2);
}

TEST(ImageSize, GrowsOnlyWhenAsked) {
  TrainingOptions options;
  EXPECT_EQ(image_size_at(0, 256, options), 256);
  options.progressive_size = true;
  EXPECT_EQ(image_size_at(0, 256, options), 128);
  EXPECT_EQ(image_size_at(0.333, 256, options), 128);
  EXPECT_EQ(image_size_at(1.0 / 3, 256, options), 256);
  EXPECT_EQ(image_size_at(1, 256, options), 256);
  EXPECT_EQ(image_size_at(0, 33, options), 17);
}

TEST(BatchNorm, IsFrozenInTheLastShareOfTheRun) {
  TrainingOptions options;
  EXPECT_FALSE(is_batch_norm_frozen_at(0.999, options));
  options.freeze_batch_norm = 0.25;
  EXPECT_FALSE(is_batch_norm_frozen_at(0.749, options));
  EXPECT_TRUE(is_batch_norm_frozen_at(0.75, options));
  options.freeze_batch_norm = 1;
  EXPECT_TRUE(is_batch_norm_frozen_at(0, options));
}

TEST(Length, DecidesOnlyWhereSomethingFollowsIt) {
  TrainingOptions options;
  EXPECT_FALSE(depends_on_length(options));
  options.freeze_batch_norm = 0.1;
  EXPECT_TRUE(depends_on_length(options));
}

}  // namespace
}  // namespace pulmoseg::training
