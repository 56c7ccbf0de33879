// Figures against scikit-learn's, scipy's, pingouin's and MONAI's of the same data (tests/oracle/metrics.py and surface.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pulmoseg/metrics/agreement.hpp"
#include "pulmoseg/metrics/figures.hpp"
#include "pulmoseg/metrics/roc.hpp"
#include "pulmoseg/metrics/surface.hpp"
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
  const Figures figures = summarise("test", slices, curve);
  const json& expected = *found;
  expect_equal(figures.pooled.accuracy, expected["pooled"]["accuracy"], "accuracy");
  expect_equal(figures.pooled.precision, expected["pooled"]["precision"], "precision");
  expect_equal(figures.pooled.recall, expected["pooled"]["recall"], "recall");
  expect_equal(figures.pooled.specificity, expected["pooled"]["specificity"], "specificity");
  expect_equal(figures.pooled.f1, expected["pooled"]["f1"], "f1");
  expect_equal(figures.pooled.dice, expected["pooled"]["f1"], "dice");
  expect_equal(figures.pooled.iou, expected["pooled"]["iou"], "iou");
  expect_equal(figures.pooled.auc_roc, expected["auc_roc"], "auc_roc");
  expect_equal(curve.average_precision, expected["average_precision"], "average_precision");
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

TEST(MetricsOracle, AgreementEqualsPingouins) {
  const json sets = golden()["agreement"];
  ASSERT_GE(sets.size(), 5u);
  for (const json& set : sets) {
    const auto measured = set["measured"].get<std::vector<double>>(), truth = set["truth"].get<std::vector<double>>();
    const std::string name = set["name"];
    const auto agreement = bland_altman(measured, truth);
    ASSERT_TRUE(agreement) << name;
    EXPECT_NEAR(agreement->bias, set["bias"].get<double>(), tolerance) << name;
    EXPECT_NEAR(agreement->lower_limit, set["limits"][0].get<double>(), tolerance) << name;
    EXPECT_NEAR(agreement->upper_limit, set["limits"][1].get<double>(), tolerance) << name;
    expect_equal(intraclass_correlation(measured, truth), set["icc"], name);
  }
}

TEST(MetricsOracle, SurfaceDistancesEqualMonais) {
  std::ifstream file(test::repository_file("tests/data/metrics/surface.json"));
  const json examples = json::parse(file)["examples"];
  ASSERT_GE(examples.size(), 12u);
  for (const json& example : examples) {
    const std::string name = example["name"];
    const MaskGrid grid{.size = example["size"], .spacing = example["spacing"]};
    const auto mask = [&](const char* key) {
      std::vector<std::uint8_t> voxels;
      for (const char c : example[key].get<std::string>()) voxels.push_back(c == '1');
      return voxels;
    };
    const SurfaceDistances distances = surface_distances(mask("prediction"), mask("truth"), grid);
    expect_equal(normalised_surface_dice(distances, example["tolerance"]), example["normalised_surface_dice"], name);
    expect_equal(hausdorff_95(distances), example["hausdorff_95"], name);
  }
}

}  // namespace
}  // namespace pulmoseg::metrics
