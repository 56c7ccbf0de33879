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

TEST(Augment, AQuarterTurnIsTheSameEitherWay) {
  const std::int64_t size = 9;
  std::vector<float> image(81), turned(81), deformed(81);
  std::vector<std::uint8_t> mask(81), turned_mask(81), deformed_mask(81);
  for (std::size_t i = 0; i < 81; ++i) image[i] = static_cast<float>(i), mask[i] = static_cast<std::uint8_t>(i % 3);
  const Orientation orientation{.flipped = false, .quarter_turns = 1};
  orient(std::span<const float>(image), std::span(turned), size, orientation);
  orient(std::span<const std::uint8_t>(mask), std::span(turned_mask), size, orientation);
  deform(std::span<const float>(image), deformed, size, {.degrees = 90, .scale = 1});
  deform(std::span<const std::uint8_t>(mask), deformed_mask, size, {.degrees = 90, .scale = 1});
  for (std::size_t i = 0; i < 81; ++i) EXPECT_NEAR(deformed[i], turned[i], 1e-4) << i;
  EXPECT_EQ(deformed_mask, turned_mask);
}

TEST(Augment, ADeformationMovesImageAndMaskTogether) {
  const std::int64_t size = 64;
  std::vector<float> image(64 * 64), deformed(64 * 64);
  std::vector<std::uint8_t> mask(64 * 64), deformed_mask(64 * 64);
  for (std::int64_t row = 20; row < 30; ++row) {
    for (std::int64_t column = 35; column < 55; ++column) {
      const auto i = static_cast<std::size_t>(row * size + column);
      image[i] = 1, mask[i] = 1;
    }
  }
  const Deformation deformation{.degrees = 17, .scale = 1.2};
  deform(std::span<const float>(image), deformed, size, deformation);
  deform(std::span<const std::uint8_t>(mask), deformed_mask, size, deformation);
  double area = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    area += deformed[i];
    if (std::abs(deformed[i] - 0.5F) > 0.25F) {
      EXPECT_EQ(deformed_mask[i], deformed[i] > 0.5F) << i;
    }
  }
  EXPECT_NEAR(area, 200 * 1.2 * 1.2, 4);
}

TEST(Augment, DeformationsStayWithinTheirBounds) {
  TrainingOptions options;
  EXPECT_TRUE(draw_deformation(options, 2, 7).changes_nothing());
  options.rotation = 20;
  options.scaling = 0.25;
  double most_degrees = 0, largest = 1, smallest = 1;
  for (std::int64_t row = 0; row < 500; ++row) {
    const Deformation drawn = draw_deformation(options, 3, row);
    most_degrees = std::max(most_degrees, std::abs(drawn.degrees));
    largest = std::max(largest, drawn.scale), smallest = std::min(smallest, drawn.scale);
  }
  EXPECT_GT(most_degrees, 19);
  EXPECT_LE(most_degrees, 20);
  EXPECT_NEAR(largest, 1.25, 0.02);
  EXPECT_NEAR(smallest, 0.8, 0.02);
  EXPECT_EQ(draw_deformation(options, 3, 1).degrees, draw_deformation(options, 3, 1).degrees);
  EXPECT_NE(draw_deformation(options, 3, 1).degrees, draw_deformation(options, 4, 1).degrees);
}

}  // namespace
}  // namespace pulmoseg::training
