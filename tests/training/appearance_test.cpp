#include "pulmoseg/training/appearance.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pulmoseg::training {
namespace {

constexpr std::int64_t size = 64;

/// A ramp of greys with a bright square on it.
std::vector<float> picture() {
  std::vector<float> pixels;
  for (std::int64_t row = 0; row < size; ++row) {
    for (std::int64_t column = 0; column < size; ++column) {
      const bool square = row >= 20 && row < 40 && column >= 20 && column < 40;
      pixels.push_back(square ? 1.0F : static_cast<float>(row + column) / 256);
    }
  }
  return pixels;
}

std::vector<float> changed(const Appearance& appearance) {
  auto pixels = picture();
  change_appearance(pixels, size, appearance);
  return pixels;
}

/// Mean absolute difference of neighbours in a row: what blurring lessens and noise adds.
double roughness(const std::vector<float>& pixels) {
  double sum = 0;
  for (std::size_t i = 1; i < pixels.size(); ++i) sum += std::abs(pixels[i] - pixels[i - 1]);
  return sum / static_cast<double>(pixels.size());
}

TEST(Appearance, TheDefaultChangesNothing) { EXPECT_EQ(changed({}), picture()); }

TEST(Appearance, StaysBetween0And1) {
  TrainingOptions options;
  options.appearance = 1;
  for (std::int64_t row = 0; row < 100; ++row) {
    const auto pixels = changed(draw_appearance(options, 1, row));
    EXPECT_EQ(std::ranges::min(pixels), 0);
    EXPECT_EQ(std::ranges::max(pixels), 1);
  }
}

TEST(Appearance, AWindowCutsOffAndStretches) {
  const auto pixels = changed({.window_low = 0.1, .window_high = 0.4});
  const auto before = picture();
  for (std::size_t i = 0; i < pixels.size(); ++i)
    EXPECT_NEAR(pixels[i], std::clamp((before[i] - 0.1F) / 0.3F, 0.0F, 1.0F), 1e-5);
}

TEST(Appearance, GammaKeepsTheOrderOfGreys) {
  const auto pixels = changed({.gamma = 2}), before = picture();
  for (std::size_t i = 0; i < pixels.size(); ++i) EXPECT_NEAR(pixels[i], before[i] * before[i], 1e-5);
}

TEST(Appearance, BlurAndAPoorResolutionSmooth) {
  EXPECT_LT(roughness(changed({.blur = 1.5})), roughness(picture()));
  const auto coarse = changed({.resolution = 0.5});
  EXPECT_NE(coarse, picture());
  double difference = 0;
  for (std::size_t i = 0; i < coarse.size(); ++i) difference += std::abs(coarse[i] - picture()[i]);
  EXPECT_LT(difference / static_cast<double>(coarse.size()), 0.03);
}

TEST(Appearance, NoiseHasItsStandardDeviationAndItsKey) {
  std::vector<float> grey(size * size, 0.5F);
  grey[0] = -9, grey[1] = 10;  // so far apart that the scaling afterwards is known
  auto noisy = grey, again = grey, other = grey;
  change_appearance(noisy, size, {.noise = 0.05, .noise_key = 4});
  change_appearance(again, size, {.noise = 0.05, .noise_key = 4});
  change_appearance(other, size, {.noise = 0.05, .noise_key = 5});
  EXPECT_EQ(noisy, again);
  EXPECT_NE(noisy, other);
  double squares = 0;
  for (std::size_t i = 2; i < noisy.size(); ++i) squares += std::pow(noisy[i] - 0.5, 2);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(noisy.size() - 2)), 0.05, 0.003);
}

TEST(Appearance, DependsOnItsKeyAlone) {
  TrainingOptions options;
  options.appearance = 1;
  EXPECT_EQ(draw_appearance(options, 2, 5).gamma, draw_appearance(options, 2, 5).gamma);
  EXPECT_NE(draw_appearance(options, 2, 5).gamma, draw_appearance(options, 3, 5).gamma);
  EXPECT_NE(draw_appearance(options, 2, 5).gamma, draw_appearance(options, 2, 6).gamma);
  int blurred = 0;
  for (std::int64_t row = 0; row < 3000; ++row) blurred += draw_appearance(options, 2, row).blur > 0;
  EXPECT_NEAR(blurred, 1000, 100);
}

TEST(Appearance, TheOtherSlicesStayAsTheyAre) {
  TrainingOptions options;
  options.appearance = 0.7;
  int as_they_are = 0;
  for (std::int64_t row = 0; row < 3000; ++row) as_they_are += draw_appearance(options, 2, row) == Appearance{};
  EXPECT_NEAR(as_they_are, 900, 100);
}

}  // namespace
}  // namespace pulmoseg::training
