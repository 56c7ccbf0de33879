#include "pulmoseg/dataset/clahe.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

/// The pattern of tests/oracle/prepare.py: a fine grain on a ramp.
std::vector<float> pattern(std::int64_t rows, std::int64_t columns) {
  std::vector<float> pixels;
  for (std::int64_t j = 0; j < rows; ++j) {
    for (std::int64_t i = 0; i < columns; ++i)
      pixels.push_back(static_cast<float>((j * 7919 + i * 104729 + j * i * 31) % 64 + 2 * j) / 255);
  }
  return pixels;
}

std::string hexadecimal(const std::vector<float>& pixels) {
  std::string text;
  for (const float pixel : pixels) text += fmt::format("{:02x}", std::lround(pixel * 255));
  return text;
}

TEST(Clahe, EqualsOpenCv) {
  std::ifstream stream(test::repository_file("tests/data/dataset/clahe.json"));
  const auto document = nlohmann::json::parse(stream);
  ASSERT_GE(document["pictures"].size(), 5U);
  for (const auto& entry : document["pictures"]) {
    const std::int64_t rows = entry["size"][0], columns = entry["size"][1];
    auto pixels = pattern(rows, columns);
    equalise(pixels, rows, columns, {.clip_limit = entry["clip_limit"], .tiles = entry["tiles"]});
    EXPECT_EQ(hexadecimal(pixels), entry["greys"].get<std::string>()) << rows << "x" << columns;
  }
}

TEST(Clahe, MakesPicturesOfOneSceneAlike) {
  auto wide = pattern(64, 64);
  auto narrow = wide;  // the same through another window, brighter and with less contrast
  for (float& pixel : narrow) pixel = 0.3F + 0.4F * pixel;
  const auto difference = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < wide.size(); ++i) sum += std::abs(wide[i] - narrow[i]);
    return sum / static_cast<double>(wide.size());
  };
  const double before = difference();
  for (auto* picture : {&wide, &narrow}) equalise(*picture, 64, 64, {.clip_limit = 40});
  EXPECT_LT(difference(), before / 3);
}

TEST(Clahe, APictureOfOneGreyStaysOne) {
  std::vector<float> grey(256, 0.25F);
  equalise(grey, 16, 16);
  EXPECT_EQ(std::ranges::count(grey, grey.front()), 256);
}

}  // namespace
}  // namespace pulmoseg::dataset
