#include "pulmoseg/training/weight_average.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/weights.hpp"

namespace pulmoseg::training {
namespace {

namespace nn = torch::nn;
using torch::Tensor;

Tensor weight_in(const model::StateDict& state) { return *model::find(state, "weight"); }

TEST(WeightAverage, FollowsItsDefinition) {
  nn::BatchNorm1d layer(3);
  const torch::NoGradGuard no_gradients;
  layer->weight.fill_(1);
  constexpr double half_life = 20;
  WeightAverage average(*layer, half_life);
  double expected = 1;
  for (int step = 0; step < 200; ++step) {
    const double weight = std::sin(step);
    layer->weight.fill_(weight);
    layer->running_mean.fill_(2 * weight);
    layer->num_batches_tracked.fill_(step);
    average.update(step);
    if ((step + 1) % 4 != 0) continue;
    const double share = std::max(1 - std::pow(0.5, 4 / half_life), 1 / ((step + 1) / 4.0 + 1));
    expected += share * (weight - expected);
    EXPECT_NEAR(weight_in(average.averaged())[0].item<double>(), expected, 1e-5) << step;
  }
  EXPECT_EQ(model::find(average.averaged(), "num_batches_tracked")->item<std::int64_t>(), 199);
  EXPECT_LT(model::find(average.averaged(), "running_mean")->abs().max().item<double>(), 1);
  EXPECT_NEAR(weight_in(average.trained())[0].item<double>(), std::sin(199), 1e-6);
}

TEST(WeightAverage, LivesInTheNetworkForAWhile) {
  nn::Linear layer(nn::LinearOptions(1, 1).bias(false));
  const Tensor parameter = layer->weight;  // as an optimiser holds it
  {
    const torch::NoGradGuard no_gradients;
    layer->weight.fill_(1);
  }
  WeightAverage average(*layer, 10);
  {
    const torch::NoGradGuard no_gradients;
    layer->weight.fill_(5);
  }
  {
    const WeightAverage::InNetwork averaged(average);
    EXPECT_EQ(layer->weight.item<float>(), 1);
    EXPECT_EQ(weight_in(average.trained()).item<float>(), 5);
    EXPECT_EQ(weight_in(average.averaged()).item<float>(), 1);
  }
  EXPECT_EQ(layer->weight.item<float>(), 5);
  EXPECT_EQ(parameter.item<float>(), 5);
  layer(torch::ones({1, 1})).sum().backward();  // still a leaf that learns
  EXPECT_EQ(parameter.grad().item<float>(), 1);
}

TEST(WeightAverage, AnotherRunsCheckpointIsRefused) {
  nn::Linear layer(2, 2);
  WeightAverage average(*layer, 10);
  const auto message = test::message_of<Error>([&] {
    average.load_averaged({{"weight", torch::zeros({3})}}, "run/checkpoint");
  });
  EXPECT_EQ(message, "run/checkpoint: the average of weight is 3, expected 2x2; it is a checkpoint of another run");
}

TEST(WeightAverage, OfAResumedRunIsThatOfOneThatWasNot) {
  const test::TemporaryFolder folder;
  const auto dataset = test::make_dataset(folder / "data", 24);
  auto options = test::quick_options();
  options.weight_average = 6;
  const RunFolder whole{folder / "whole"}, parts{folder / "parts"};
  test::train_tiny(dataset, whole.folder, options);
  EXPECT_THROW(test::train_tiny(dataset, parts.folder, options, test::StopAfter(6).callbacks()), Interrupted);
  options.resume = true;
  test::train_tiny(dataset, parts.folder, options);
  EXPECT_EQ(read_file(parts.best_weights()), read_file(whole.best_weights()));
  EXPECT_EQ(read_file(parts.last_weights()), read_file(whole.last_weights()));
  const auto kept = model::read_weights(whole.last_weights()), trained = whole.checkpoints().load()->network;
  EXPECT_FALSE(torch::equal(*model::find(kept, "0.weight"), *model::find(trained, "0.weight")));  // the average is kept
}

}  // namespace
}  // namespace pulmoseg::training
