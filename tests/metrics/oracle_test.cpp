// Figures against scikit-learn's and scipy's on the same probabilities (tests/oracle/metrics.py golden).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pulmoseg/metrics/figures.hpp"
#include "pulmoseg/metrics/roc.hpp"
#include "support/data.hpp"

namespace pulmoseg::metrics {
namespace {

using nlohmann::json;

constexpr double tolerance = 1e-6;

json golden() {
  std::ifstream file(test::repository_file("tests/data/metrics/golden.json"));
  return json::parse(file);
}

void expect_equal(const std::optional<double>& own, const json& expected, const std::string& what) {
  ASSERT_EQ(own.has_value(), !expected.is_null()) << what;
  if (!own) return;
  EXPECT_NEAR(*own, expected.get<double>(), tolerance) << what;
}

struct Example {
  std::vector<std::vector<float>> scores;
  std::vector<std::vector<std::uint8_t>> truth;
};

Example read_example(const json& set) {
  Example example;
  std::size_t pixel = 0;
  for (const std::string text : set["truth"]) {
    auto& scores = example.scores.emplace_back();
    auto& truth = example.truth.emplace_back();
    for (const char c : text) {
      truth.push_back(c == '1');
      scores.push_back(set["levels"][set["codes"][pixel++].get<std::size_t>()].get<float>());
    }
  }
  return example;
}

class MetricsOracle : public testing::TestWithParam<std::string> {};

TEST_P(MetricsOracle, FiguresEqualScikitLearn) {
  const json all = golden();
  const auto found = std::ranges::find_if(all["sets"], [](const json& set) { return set["name"] == GetParam(); });
  ASSERT_NE(found, all["sets"].end());
  const Example example = read_example(*found);
  RocAccumulator roc;
  std::vector<SliceResult> slices;
  for (std::size_t k = 0; k < example.truth.size(); ++k) {
    std::vector<std::uint8_t> prediction;
    for (const float score : example.scores[k]) prediction.push_back(score > 0.5f);
    roc.add(example.scores[k], example.truth[k]);
    slices.push_back({.row = 0,
                      .case_name = "c",
                      .patient = "p",
                      .slice = 0,
                      .counts = count(prediction, example.truth[k]),
                      .loss = {}});
  }
  const RocCurve curve = roc.finish();
  const Figures figures = summarise("test", slices, curve.auc);
  const json& expected = *found;
  expect_equal(figures.pooled.accuracy, expected["pooled"]["accuracy"], "accuracy");
  expect_equal(figures.pooled.precision, expected["pooled"]["precision"], "precision");
  expect_equal(figures.pooled.recall, expected["pooled"]["recall"], "recall");
  expect_equal(figures.pooled.specificity, expected["pooled"]["specificity"], "specificity");
  expect_equal(figures.pooled.f1, expected["pooled"]["f1"], "f1");
  expect_equal(figures.pooled.dice, expected["pooled"]["f1"], "dice");
  expect_equal(figures.pooled.iou, expected["pooled"]["iou"], "iou");
  expect_equal(figures.pooled.auc_roc, expected["auc_roc"], "auc_roc");
  expect_equal(figures.per_slice_mean.dice, expected["per_slice_mean"]["dice"], "per slice dice");
  expect_equal(figures.per_slice_mean.iou, expected["per_slice_mean"]["iou"], "per slice iou");
  expect_equal(figures.lesion_slice_mean.dice, expected["lesion_slice_mean"]["dice"], "lesion slice dice");
  expect_equal(figures.lesion_slice_mean.iou, expected["lesion_slice_mean"]["iou"], "lesion slice iou");
  if (!expected.contains("roc")) return;
  ASSERT_EQ(curve.points.size(), expected["roc"].size());
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    EXPECT_NEAR(curve.points[i].false_positive_rate, expected["roc"][i][0].get<double>(), tolerance);
    EXPECT_NEAR(curve.points[i].true_positive_rate, expected["roc"][i][1].get<double>(), tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, MetricsOracle,
                         testing::Values("continuous", "eleven_levels", "hard", "saturated", "constant",
                                         "nothing_predicted", "no_lesion_in_truth", "all_lesion"),
                         [](const auto& test) { return test.param; });

TEST(MetricsOracle, BootstrapIntervalIsNearScipys) {
  const json expected = golden()["bootstrap"];
  const auto interval = bootstrap_mean_ci95(expected["values"].get<std::vector<double>>());
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->lower, expected["lower"].get<double>(), 0.01);
  EXPECT_NEAR(interval->upper, expected["upper"].get<double>(), 0.01);
}

}  // namespace
}  // namespace pulmoseg::metrics
