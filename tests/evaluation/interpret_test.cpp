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

const auto lesion_only = dataset::ClassMap::parse("lesion");

TEST(Interpret, AHandComputedExample) {
  // Three pixels; lesion logits 1 above, 2 below and equal to the background's.
  const std::vector<float> logits{0, 1, 5, 1, -1, 5};
  const SlicePrediction prediction = interpret(logits, 3, lesion_only, Mask{1, 1, 0});
  const double above = 1 / (1 + std::exp(-1.0)), below = 1 / (1 + std::exp(2.0));
  EXPECT_NEAR(prediction.lesion_probability[0], above, 1e-7);
  EXPECT_NEAR(prediction.lesion_probability[1], below, 1e-7);
  EXPECT_EQ(prediction.lesion_probability[2], 0.5F);
  EXPECT_EQ(prediction.classes, (Mask{1, 0, 0}));  // of equals the lower class, background
  ASSERT_TRUE(prediction.loss);
  EXPECT_NEAR(*prediction.loss, -(std::log(above) + std::log(below) + std::log(0.5)) / 3, 1e-7);
}

TEST(Interpret, EqualsScipyAlsoFarFromZero) {
  std::ifstream file(test::repository_file("tests/data/metrics/golden.json"));
  const auto golden = nlohmann::json::parse(file);
  ASSERT_EQ(golden["logits"].size(), 2u);
  for (const auto& set : golden["logits"]) {
    const std::size_t classes = set["classes"];
    const auto truth = set["truth"].get<Mask>();
    std::vector<std::string> names{"background", "lesion", "heart"};
    names.resize(classes);
    const auto map = dataset::ClassMap::of_names(names);
    const auto prediction =
        interpret(set["logits"].get<std::vector<float>>(), truth.size(), map, classes == 2 ? truth : Mask{});
    EXPECT_EQ(mask_of(prediction.classes, map.lesion()), set["lesion"].get<Mask>());
    for (std::size_t i = 0; i < truth.size(); ++i) {
      EXPECT_NEAR(prediction.lesion_probability[i], set["lesion_probability"][i].get<double>(), 1e-6);
    }
    ASSERT_EQ(prediction.loss.has_value(), classes == 2);
    if (classes == 2) {
      EXPECT_NEAR(*prediction.loss, set["loss"].get<double>(), 1e-9);
    }
  }
}

TEST(Interpret, LesionIsTheSumOfItsClasses) {
  const auto map = dataset::ClassMap::parse("lung = lung; ggo = label 1; consolidation = label 2");
  const std::vector<float> logits{0, 0, 1, 0, 0.5, 2, 0.9, 1};  // two pixels of four classes
  const SlicePrediction prediction = interpret(logits, 2, map, Mask{1, 3});
  EXPECT_EQ(prediction.classes, (Mask{1, 2}));
  EXPECT_EQ(mask_of(prediction.classes, map.lesion()), (Mask{0, 1}));
  EXPECT_EQ(mask_of(prediction.classes, map.lung()), (Mask{1, 1}));
  const double first = 1 + std::exp(1.0) + std::exp(0.5) + std::exp(0.9);
  const double second = 1 + 1 + std::exp(2.0) + std::exp(1.0);
  EXPECT_NEAR(prediction.lesion_probability[0], (std::exp(0.5) + std::exp(0.9)) / first, 1e-6);
  EXPECT_NEAR(*prediction.loss, (std::log(first) - 1 + std::log(second) - 1) / 2, 1e-6);
  EXPECT_FALSE(interpret(logits, 2, map, {}).loss);
}

TEST(Interpret, RefusesWhatIsNoAnswer) {
  EXPECT_THROW(interpret(std::vector<float>{0, 0, 0}, 2, lesion_only, Mask{1, 0}), Error);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_THROW(interpret(std::vector<float>{0, bad}, 1, lesion_only, Mask{1}), Error);
    EXPECT_THROW(interpret(std::vector<float>{bad, 0}, 1, lesion_only, Mask{1}), Error);
  }
}

TEST(Interpret, AModelMustKnowLesions) {
  const auto of = [](std::vector<std::string> names) { return dataset::ClassMap::of_names(names); };
  EXPECT_NO_THROW(require_lesion(of({"background", "lung", "lesion"}), "m.onnx"));
  EXPECT_THROW(require_lesion(of({"background", "liver"}), "m.onnx"), Error);
}

}  // namespace
}  // namespace pulmoseg::evaluation
