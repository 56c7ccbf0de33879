#include "pulmoseg/evaluation/interpret.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::evaluation {
namespace {

using Mask = std::vector<std::uint8_t>;

TEST(Interpret, AHandComputedExample) {
  // Three pixels; lesion logits 1 above, 2 below and equal to the background's.
  const std::vector<float> logits{0, 1, 5, 1, -1, 5};
  const SlicePrediction prediction = interpret(logits, 2, 1, Mask{1, 1, 0});
  const double above = 1 / (1 + std::exp(-1.0)), below = 1 / (1 + std::exp(2.0));
  EXPECT_NEAR(prediction.lesion_probability[0], above, 1e-7);
  EXPECT_NEAR(prediction.lesion_probability[1], below, 1e-7);
  EXPECT_EQ(prediction.lesion_probability[2], 0.5F);
  EXPECT_EQ(prediction.lesion, (Mask{1, 0, 0}));  // of equals the lower class, background
  ASSERT_TRUE(prediction.loss);
  EXPECT_NEAR(*prediction.loss, -(std::log(above) + std::log(below) + std::log(0.5)) / 3, 1e-7);
}

TEST(Interpret, EqualsScipyAlsoFarFromZero) {
  std::ifstream file(test::repository_file("tests/data/metrics/golden.json"));
  const auto golden = nlohmann::json::parse(file);
  ASSERT_EQ(golden["logits"].size(), 2u);
  for (const auto& set : golden["logits"]) {
    const std::size_t classes = set["classes"];
    const auto prediction = interpret(set["logits"].get<std::vector<float>>(), classes, 1, set["truth"].get<Mask>());
    EXPECT_EQ(prediction.lesion, set["lesion"].get<Mask>());
    for (std::size_t i = 0; i < prediction.lesion.size(); ++i) {
      EXPECT_NEAR(prediction.lesion_probability[i], set["lesion_probability"][i].get<double>(), 1e-6);
    }
    ASSERT_EQ(prediction.loss.has_value(), classes == 2);
    if (classes == 2) {
      EXPECT_NEAR(*prediction.loss, set["loss"].get<double>(), 1e-9);
    }
  }
}

TEST(Interpret, LesionMayBeTheFirstClass) {
  const SlicePrediction prediction = interpret(std::vector<float>{3, 0}, 2, 0, Mask{1});
  EXPECT_EQ(prediction.lesion, Mask{1});
  EXPECT_NEAR(*prediction.loss, std::log1p(std::exp(-3.0)), 1e-9);
}

TEST(Interpret, RefusesWhatIsNoAnswer) {
  EXPECT_THROW(interpret(std::vector<float>{0, 0, 0}, 2, 1, Mask{1, 0}), Error);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_THROW(interpret(std::vector<float>{0, bad}, 2, 1, Mask{1}), Error);
    EXPECT_THROW(interpret(std::vector<float>{bad, 0}, 2, 1, Mask{1}), Error);
  }
}

TEST(Interpret, FindsLesionAmongTheClasses) {
  EXPECT_EQ(lesion_class(std::vector<std::string>{"background", "lung", "lesion"}, "m.onnx"), 2u);
  EXPECT_THROW(lesion_class(std::vector<std::string>{"background", "liver"}, "m.onnx"), Error);
}

}  // namespace
}  // namespace pulmoseg::evaluation
