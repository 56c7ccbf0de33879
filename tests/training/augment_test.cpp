#include "pulmoseg/training/augment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <vector>

namespace pulmoseg::training {
namespace {

/// numpy.rot90(numpy.fliplr(image), turns), one step at a time.
std::vector<float> by_definition(std::vector<float> image, std::size_t n, const Orientation& orientation) {
  if (orientation.flipped) {
    auto flipped = image;
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t c = 0; c < n; ++c) flipped[r * n + c] = image[r * n + (n - 1 - c)];
    image = flipped;
  }
  for (int turn = 0; turn < orientation.quarter_turns; ++turn) {
    auto turned = image;
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t c = 0; c < n; ++c) turned[r * n + c] = image[c * n + (n - 1 - r)];
    image = turned;
  }
  return image;
}

TEST(Augment, EveryOrientationFollowsItsDefinition) {
  for (const std::size_t n : {1, 2, 5, 8}) {
    std::vector<float> image(n * n);
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i);
    for (const bool flipped : {false, true}) {
      for (int turns = 0; turns < 4; ++turns) {
        const Orientation orientation{.flipped = flipped, .quarter_turns = turns};
        std::vector<float> out(n * n, -1);
        orient(std::span<const float>(image), std::span(out), static_cast<std::int64_t>(n), orientation);
        EXPECT_EQ(out, by_definition(image, n, orientation)) << n << ' ' << flipped << ' ' << turns;
      }
    }
  }
}

TEST(Augment, KnownTurnOfFourPixels) {
  // numpy.rot90([[1, 2], [3, 4]]) == [[2, 4], [1, 3]]
  const std::vector<float> image{1, 2, 3, 4};
  std::vector<float> out(4);
  orient(std::span<const float>(image), std::span(out), 2, {.flipped = false, .quarter_turns = 1});
  EXPECT_EQ(out, (std::vector<float>{2, 4, 1, 3}));
}

TEST(Augment, AllEightOrientationsAreEquallyLikely) {
  TrainingOptions options;
  std::map<std::pair<bool, int>, int> seen;
  for (std::int64_t row = 0; row < 8000; ++row) {
    const auto orientation = draw_orientation(options, 3, row);
    ++seen[{orientation.flipped, orientation.quarter_turns}];
  }
  ASSERT_EQ(seen.size(), 8u);
  for (const auto& [orientation, count] : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Augment, DependsOnSeedEpochAndRowAlone) {
  TrainingOptions options;
  const auto code = [&](std::int64_t epoch, std::int64_t row) {
    const auto orientation = draw_orientation(options, epoch, row);
    return orientation.quarter_turns + 4 * orientation.flipped;
  };
  std::array<int, 3> differences{};
  for (std::int64_t row = 0; row < 100; ++row) {
    EXPECT_EQ(code(1, row), code(1, row));
    differences[0] += code(1, row) != code(2, row);
    differences[1] += code(1, row) != code(1, row + 1);
    const int before = code(1, row);
    options.seed = 1;
    differences[2] += code(1, row) != before;
    options.seed = 0;
  }
  for (const int count : differences) EXPECT_GT(count, 70);  // 7 of 8 expected
}

TEST(Augment, OptionsTurnItOff) {
  TrainingOptions options;
  options.flip_probability = 0;
  options.quarter_turns = false;
  for (std::int64_t row = 0; row < 50; ++row) {
    const auto orientation = draw_orientation(options, 0, row);
    EXPECT_FALSE(orientation.flipped);
    EXPECT_EQ(orientation.quarter_turns, 0);
  }
}

TEST(Augment, IntensityStaysWithinItsBoundsAndDependsOnItsKeyAlone) {
  TrainingOptions options;
  options.intensity_jitter = 0.5;
  float lowest_gamma = 1, highest_gamma = 1;
  for (std::int64_t row = 0; row < 500; ++row) {
    const Intensity intensity = draw_intensity(options, 3, row), again = draw_intensity(options, 3, row);
    EXPECT_EQ(intensity.gamma, again.gamma);
    EXPECT_GE(intensity.gamma, std::exp(-0.5f));
    EXPECT_LE(intensity.gamma, std::exp(0.5f));
    EXPECT_GE(intensity.gain, 0.75f);
    EXPECT_LE(intensity.gain, 1.25f);
    EXPECT_LE(std::abs(intensity.offset), 0.125f);
    lowest_gamma = std::min(lowest_gamma, intensity.gamma), highest_gamma = std::max(highest_gamma, intensity.gamma);
  }
  EXPECT_LT(lowest_gamma, 0.65f);
  EXPECT_GT(highest_gamma, 1.6f);
  EXPECT_NE(draw_intensity(options, 3, 0).gamma, draw_intensity(options, 4, 0).gamma);
}

TEST(Augment, IntensityIsAPowerThenAStraightLine) {
  std::vector<float> pixels{0, 0.25, 1};
  change_intensity(pixels, {.gamma = 0.5, .gain = 0.8f, .offset = 0.1f});
  EXPECT_FLOAT_EQ(pixels[0], 0.1f);
  EXPECT_FLOAT_EQ(pixels[1], 0.5f);
  EXPECT_FLOAT_EQ(pixels[2], 0.9f);
  change_intensity(pixels, {});
  EXPECT_FLOAT_EQ(pixels[1], 0.5f);
}

}  // namespace
}  // namespace pulmoseg::training
