#include "pulmoseg/training/operating_point.hpp"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "fixture.hpp"
#include "pulmoseg/model/weights.hpp"

namespace pulmoseg::training {
namespace {

using torch::Tensor;

const dataset::Region lesion{"lesion", {false, true}};

/// One image, a row of pixels: logits (0, margin).
Tensor logits_of(std::vector<float> margins) {
  const Tensor row = torch::tensor(margins).view({1, 1, 1, -1});
  return torch::cat({torch::zeros_like(row), row}, 1);
}
Tensor targets_of(std::vector<std::int64_t> targets) { return torch::tensor(targets).view({1, 1, -1}); }

TEST(LesionMargins, UnshiftedTheMostProbableClassWins) {
  LesionMargins margins(lesion);
  margins.add(logits_of({2, -1, 0.01F, -0.01F, 0, -9, 9, -0.3F}), targets_of({1, 1, 0, 0, 1, 0, 1, 0}));
  EXPECT_EQ(margins.counts(), (metrics::ConfusionCounts{
                                  .true_positive = 2, .false_positive = 1, .false_negative = 2, .true_negative = 3}));
}

TEST(LesionMargins, OfSeveralClassesTheLargestCounts) {
  LesionMargins margins({"lesion", {false, false, true, true}});
  // Background 0, lung 1; lesions 0.5 and 1.5 (lesion by 0.5), then 0.5 and 0.8 (not, by 0.2).
  const Tensor logits = torch::tensor({0.F, 0.F, 1.F, 1.F, 0.5F, 0.5F, 1.5F, 0.8F}).view({1, 4, 1, 2});
  margins.add(logits, targets_of({3, 2}));
  EXPECT_EQ(margins.counts().true_positive, 1U);
  EXPECT_EQ(margins.counts(0.25).true_positive, 2U);
  EXPECT_EQ(margins.counts(-0.5).true_positive, 0U);
}

TEST(LesionMargins, FindsTheShiftWithTheHighestDice) {
  LesionMargins margins(lesion);
  // The rim of the lesion is at -0.33 and -0.8, other tissue from -1.2 on.
  margins.add(logits_of({3, 1, -0.33F, -0.8F, -1.2F, -2, -3, -5}), targets_of({1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_NEAR(margins.best_shift(), 0.85, 1e-9);
  EXPECT_EQ(metrics::dice(margins.counts(margins.best_shift())), 1);
}

TEST(LesionMargins, ShiftsNothingWithoutNeed) {
  LesionMargins right(lesion), empty(lesion);
  right.add(logits_of({3, -3}), targets_of({1, 0}));
  EXPECT_EQ(right.best_shift(), 0);
  empty.add(logits_of({3, -3}), targets_of({0, 0}));
  EXPECT_EQ(empty.best_shift(), 0) << "nothing to find";
}

TEST(LesionMargins, LeavesNaNToTheLoss) {
  LesionMargins margins(lesion);
  EXPECT_NO_THROW(margins.add(logits_of({NAN, 3, INFINITY, -INFINITY}), targets_of({1, 1, 1, 0})));
  EXPECT_EQ(margins.counts().true_positive, 2U);
}

TEST(ShiftedBias, ComesBack) {
  const Tensor bias = torch::tensor({0.5F, -0.1F}, torch::requires_grad());
  {
    const ShiftedBias shifted(bias, lesion, 0.75);
    EXPECT_TRUE(torch::allclose(bias, torch::tensor({0.5F, 0.65F})));
  }
  EXPECT_TRUE(torch::equal(bias, torch::tensor({0.5F, -0.1F})));
}

TEST(OperatingPoint, IsThatOfTheKeptModelAlone) {
  const test::TemporaryFolder folder;
  const auto dataset = test::make_dataset(folder / "set", 20, 16);
  auto options = test::quick_options();
  options.epochs = 1;
  const auto plain = test::train_tiny(dataset, folder / "plain", options);
  options.operating_point = true;
  const auto shifted = test::train_tiny(dataset, folder / "shifted", options);
  EXPECT_GT(*shifted.best.validation_dice, *plain.best.validation_dice);
  EXPECT_EQ(shifted.best.validation_loss, plain.best.validation_loss);

  const auto bias_in = [&](const char* run, const char* file) {
    return model::read_weights(folder / run / file).back().second;
  };
  const char *best = "deeplabv3_resnet50_trained.pth", *last = "last.pth";
  EXPECT_TRUE(torch::equal(bias_in("shifted", last), bias_in("plain", last))) << "training goes on unshifted";
  EXPECT_EQ(bias_in("shifted", best)[0].item<float>(), bias_in("plain", best)[0].item<float>());
  EXPECT_NE(bias_in("shifted", best)[1].item<float>(), bias_in("plain", best)[1].item<float>());
}

}  // namespace
}  // namespace pulmoseg::training
