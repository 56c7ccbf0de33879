#include "pulmoseg/evaluation/evaluate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "example.hpp"
#include "inference/tiny_network.hpp"
#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::evaluation {
namespace {

using metrics::ConfusionCounts;

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest() { test::write_example_dataset(folder_ / "data"); }

  inference::Engine engine(float gain = 20, const std::string& classes = {}) {
    onnx::Model model = test::threshold_network(gain);
    if (!classes.empty()) model.metadata["pulmoseg.classes"] = classes;
    onnx::write(model, folder_ / "model.onnx");
    return inference::Engine(folder_ / "model.onnx", {.threads = 1});
  }
  dataset::Dataset data() { return dataset::Dataset::open(folder_ / "data"); }

  test::TemporaryFolder folder_;
};

const std::vector<std::int64_t> every_row{0, 1, 2, 3, 4};

TEST_F(EvaluateTest, CountsEverySlice) {
  auto network = engine();
  const Evaluation evaluation = evaluate(network, data(), every_row, "all");
  const ConfusionCounts expected[] = {
      {100, 0, 0, 924}, {50, 50, 50, 874}, {0, 0, 0, 1024}, {0, 40, 0, 984}, {30, 0, 90, 904}};
  ASSERT_EQ(evaluation.slices.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(evaluation.slices[i].counts, expected[i]) << "row " << i;
  EXPECT_EQ(evaluation.slices[4].case_name, "c");
  EXPECT_EQ(evaluation.slices[4].patient, "p2");
  EXPECT_EQ(evaluation.slices[4].slice, 7);
  EXPECT_EQ(evaluation.slices[4].row, 4);
}

TEST_F(EvaluateTest, GivesTheFiguresInEveryConvention) {
  auto network = engine();
  const metrics::Figures figures = evaluate(network, data(), every_row, "all").figures;
  EXPECT_EQ(figures.part, "all");
  EXPECT_DOUBLE_EQ(*figures.pooled.dice, 360.0 / (360 + 90 + 140));
  EXPECT_DOUBLE_EQ(*figures.pooled.iou, 180.0 / 410);
  EXPECT_DOUBLE_EQ(*figures.per_slice_mean.dice, (1 + 0.5 + 1 + 0 + 0.4) / 5);
  EXPECT_DOUBLE_EQ(*figures.lesion_slice_mean.dice, (1 + 0.5 + 0.4) / 3);
  EXPECT_DOUBLE_EQ(*figures.case_mean.dice, (0.75 + 0 + 0.4) / 3);
  EXPECT_EQ(figures.cases.size(), 3u);
  // Two scores only: 0.9 in 270 pixels (180 of them lesion), 0.1 in the rest (140 lesion).
  const double lesion = 320, other = 5 * 1024 - lesion, other_bright = 90;
  const double pairs_won = 180 * (other - other_bright) + 0.5 * (180 * other_bright + 140 * (other - other_bright));
  EXPECT_NEAR(*figures.pooled.auc_roc, pairs_won / (lesion * other), 1e-12);
}

TEST_F(EvaluateTest, ComparesOutlinesInPixels) {
  auto network = engine();
  const Evaluation evaluation = evaluate(network, data(), every_row, "all");
  const auto& slices = evaluation.slices;
  EXPECT_EQ(slices[0].surface.nsd, 1);  // found exactly
  EXPECT_EQ(slices[0].surface.hausdorff_95, 0);
  EXPECT_FALSE(slices[2].surface.nsd);  // no lesion, none found
  EXPECT_EQ(slices[3].surface.nsd, 0);  // no lesion, some found
  EXPECT_FALSE(slices[3].surface.hausdorff_95);
  EXPECT_EQ(evaluation.figures.surface.nsd_count, 4);
  EXPECT_EQ(evaluation.figures.surface.hausdorff_95_count, 3);
  EXPECT_EQ(evaluation.figures.surface.measure.unit, "pixels");
  const Evaluation strict =
      evaluate(network, data(), every_row, "all", {.on_progress = {}, .stop = {}, .tolerance = 0});
  EXPECT_LT(*strict.figures.surface.nsd, *evaluation.figures.surface.nsd);
}

TEST_F(EvaluateTest, LossIsTheMeanCrossEntropyOverAllPixels) {
  auto network = engine(2);  // logits 0 and 2 * (x - 0.5) = +-0.8
  const Evaluation evaluation = evaluate(network, data(), every_row, "all");
  const double right = std::log1p(std::exp(-0.8)), wrong = std::log1p(std::exp(0.8));
  const double mistakes = 90 + 140, pixels = 5 * 1024;
  EXPECT_NEAR(*evaluation.figures.loss, (mistakes * wrong + (pixels - mistakes) * right) / pixels, 1e-6);
  EXPECT_NEAR(*evaluation.slices[1].loss, (100 * wrong + 924 * right) / 1024, 1e-6);
}

TEST_F(EvaluateTest, TakesOnlyTheRowsThatItIsGiven) {
  auto network = engine();
  const Evaluation evaluation = evaluate(network, data(), std::vector<std::int64_t>{4, 0}, "test");
  ASSERT_EQ(evaluation.slices.size(), 2u);
  EXPECT_EQ(evaluation.slices[0].row, 4);
  EXPECT_EQ(evaluation.figures.cases[0].case_name, "c");
  EXPECT_DOUBLE_EQ(*evaluation.figures.pooled.recall, 130.0 / 220);
}

TEST_F(EvaluateTest, PredictsASliceAloneAsInABatch) {
  auto network = engine();
  const auto data_set = data();
  const auto together = Predictor(network, data_set).predict(every_row);
  for (const std::int64_t row : every_row) {
    const auto alone = Predictor(network, data_set).predict(std::array{row});
    EXPECT_EQ(alone.front().classes, together[static_cast<std::size_t>(row)].classes);
    EXPECT_EQ(alone.front().lesion_probability, together[static_cast<std::size_t>(row)].lesion_probability);
  }
}

TEST_F(EvaluateTest, WithoutLesionSaysSoInsteadOfInventing) {
  auto network = engine();
  const metrics::Figures figures = evaluate(network, data(), std::vector<std::int64_t>{2}, "all").figures;
  EXPECT_FALSE(figures.pooled.auc_roc);
  EXPECT_FALSE(figures.pooled.dice);
  EXPECT_FALSE(figures.lesion_slice_mean.dice);
  EXPECT_EQ(figures.per_slice_mean.dice, 1.0);
}

TEST_F(EvaluateTest, ReportsProgressAndStops) {
  auto network = engine();
  std::vector<std::int64_t> seen;
  std::stop_source source;
  EvaluateOptions options{.on_progress =
                              [&](std::int64_t done, std::int64_t total) {
                                EXPECT_EQ(total, 5);
                                seen.push_back(done);
                              },
                          .stop = source.get_token()};
  evaluate(network, data(), every_row, "all", options);
  EXPECT_EQ(seen.back(), 5);
  source.request_stop();
  EXPECT_THROW(evaluate(network, data(), every_row, "all", options), Interrupted);
}

TEST_F(EvaluateTest, RefusesAModelWithoutLesionAndAnEmptyPart) {
  auto liver = engine(20, "background,liver");
  EXPECT_THROW(evaluate(liver, data(), every_row, "all"), Error);
  auto network = engine();
  EXPECT_THROW(evaluate(network, data(), {}, "test"), Error);
}

}  // namespace
}  // namespace pulmoseg::evaluation
