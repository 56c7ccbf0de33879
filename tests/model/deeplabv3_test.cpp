// The network against torchvision's (tests/oracle/model.py).

#include <torch/optim/adam.h>

#include <cmath>

#include "formula.hpp"

namespace pulmoseg::model {
namespace {

using nlohmann::json;
using torch::Tensor;

/// The largest difference between values of a tensor and the golden ones at the same places.
double largest_difference(const Tensor& tensor, const json& expected) {
  const Tensor flat = tensor.detach().contiguous().flatten();
  double largest = 0;
  for (std::size_t i = 0; i < expected["index"].size(); ++i) {
    const double found = flat[expected["index"][i].get<std::int64_t>()].item<double>();
    largest = std::max(largest, std::abs(found - expected["value"][i].get<double>()));
  }
  return largest;
}

void expect_logits(const Tensor& logits, const json& expected, double tolerance = 1e-4) {
  EXPECT_EQ(logits.sizes().vec(), expected["shape"].get<std::vector<std::int64_t>>());
  EXPECT_LT(largest_difference(logits, expected), tolerance);
  EXPECT_NEAR(logits.detach().to(torch::kDouble).norm().item<double>() / expected["norm"].get<double>(), 1, 1e-5);
}

Tensor loss_of(const Tensor& logits) { return torch::cross_entropy_loss(logits, formula_labels(2, 64, 64)); }

TEST(DeepLabV3, HasTorchvisionsTensorsInItsOrder) {
  const DeepLabV3 network;
  const StateDict state = state_dict(*network);
  const json& expected = golden()["tensors"];
  ASSERT_EQ(state.size(), expected.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_EQ(state[i].first, expected[i][0]);
    EXPECT_EQ(state[i].second.sizes().vec(), expected[i][1].get<std::vector<std::int64_t>>()) << state[i].first;
    EXPECT_EQ(state[i].second.scalar_type(), expected[i][2] == "int64" ? torch::kLong : torch::kFloat)
        << state[i].first;
  }
  const auto parameters = network->named_parameters();
  ASSERT_EQ(parameters.size(), golden()["parameter_names"].size());
  std::int64_t count = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(parameters[i].key(), golden()["parameter_names"][i]);
    count += parameters[i].value().numel();
  }
  EXPECT_EQ(count, 39'627'714);
  EXPECT_EQ(count, golden()["parameters"]);
}

TEST(DeepLabV3, TakesAnyNumberOfClassesAndChannels) {
  DeepLabV3 network(DeepLabV3Options{.classes = 5, .channels = 3});
  network->eval();
  const torch::NoGradGuard no_gradients;
  EXPECT_EQ(network(torch::zeros({1, 3, 40, 33})).sizes().vec(), (std::vector<std::int64_t>{1, 5, 40, 33}));
  EXPECT_EQ(count_classes(state_dict(*network)), 5);
  EXPECT_EQ(count_channels(state_dict(*network)), 3);
}

TEST(DeepLabV3, IsInitialisedByTorchvisionsLaw) {
  torch::manual_seed(1);
  const DeepLabV3 network(DeepLabV3Options{.classes = 2, .channels = 3});
  for (const auto& item : network->named_parameters()) {
    const json& expected = golden()["initialisation"][item.key()];
    const Tensor values = item.value().detach();
    const double n = static_cast<double>(values.numel()), spread = expected["std"], largest = expected["largest"];
    // Five standard errors of a normal sample's mean and standard deviation, on either side.
    EXPECT_NEAR(values.mean().item<double>(), expected["mean"].get<double>(), 1e-12 + 5 * spread * std::sqrt(2 / n))
        << item.key();
    EXPECT_NEAR(values.std(/*unbiased=*/false).item<double>(), spread, spread * 5 / std::sqrt(n)) << item.key();
    // The largest of many normal values is above 3.5 standard deviations, that of uniform ones sqrt(3).
    if (n > 10'000) {
      EXPECT_NEAR(values.abs().max().item<double>() / largest, 1, 0.25) << item.key();
    }
  }
}

TEST(DeepLabV3, IsReproducibleFromASeed) {
  torch::manual_seed(3);
  const DeepLabV3 first;
  torch::manual_seed(3);
  const DeepLabV3 second;
  torch::manual_seed(4);
  const DeepLabV3 third;
  const auto a = first->parameters(), b = second->parameters(), c = third->parameters();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i], b[i]));
  EXPECT_FALSE(torch::equal(a[0], c[0]));
}

TEST(DeepLabV3, EvalLogitsAreTorchvisions) {
  DeepLabV3 network = formula_network();
  network->eval();
  const torch::NoGradGuard no_gradients;
  expect_logits(network(formula_images(2, 64, 64)), golden()["eval"]);
  expect_logits(network(formula_images(1, 72, 56)), golden()["eval_72x56"]);
}

TEST(DeepLabV3, ChannelsLastGivesTheSameAndStaysChannelsLast) {
  DeepLabV3 network = formula_network();
  for (Tensor parameter : network->parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  }
  network->eval();
  const torch::NoGradGuard no_gradients;
  const Tensor logits = network(formula_images(2, 64, 64).contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(logits.is_contiguous(torch::MemoryFormat::ChannelsLast));
  expect_logits(logits, golden()["eval"]);
}

TEST(DeepLabV3, TrainingLogitsStatisticsAndGradientsAreTorchvisions) {
  DeepLabV3 network = formula_network();
  network->train();
  const Tensor logits = network(formula_images(2, 64, 64));
  expect_logits(logits, golden()["train"]);

  const StateDict state = state_dict(*network);
  EXPECT_LT(largest_difference(*find(state, "backbone.layer4.2.bn3.running_mean"), golden()["running_mean_after"]),
            1e-5);
  EXPECT_LT(largest_difference(*find(state, "backbone.layer4.2.bn3.running_var"), golden()["running_var_after"]), 1e-5);
  EXPECT_EQ(find(state, "backbone.bn1.num_batches_tracked")->item<std::int64_t>(), golden()["batches_after"]);

  const Tensor loss = loss_of(logits);
  EXPECT_NEAR(loss.item<double>(), golden()["loss"].get<double>(), 1e-5);
  loss.backward();
  for (const auto& item : network->named_parameters()) {
    const json& expected = golden()["gradients"][item.key()];
    const double norm = expected["norm"], size = norm / std::sqrt(static_cast<double>(item.value().numel()));
    EXPECT_NEAR(item.value().grad().to(torch::kDouble).norm().item<double>(), norm, 1e-3 * norm) << item.key();
    EXPECT_LT(largest_difference(item.value().grad(), expected), 5e-3 * size) << item.key();
  }
}

/// Losses of as many Adam steps on one batch as there are expected losses.
void expect_losses(DeepLabV3 network, const Tensor& images, const Tensor& labels, const json& expected,
                   double tolerance) {
  network->train();
  torch::optim::Adam optimizer(network->parameters(), torch::optim::AdamOptions(1e-4));
  for (const double loss_expected : expected) {
    const Tensor loss = torch::cross_entropy_loss(network(images), labels);
    EXPECT_NEAR(loss.item<double>(), loss_expected, tolerance * loss_expected);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
}

// Rounding grows from step to step: in float32, PyTorch with one thread and PyTorch with two differ by more than 1e-3
// from the third step on. So ten steps are compared in float64, and the first two in float32.
TEST(DeepLabV3, AdamStepsHaveTorchvisionsLosses) {
  expect_losses(formula_network(), formula_images(2, 64, 64), formula_labels(2, 64, 64),
                golden()["adam_losses_float32"], 1e-3);
  DeepLabV3 network = formula_network();
  network->to(torch::kDouble);
  expect_losses(network, formula_images(2, 32, 32).to(torch::kDouble), formula_labels(2, 32, 32),
                golden()["adam_losses_float64"], 1e-6);
}

TEST(DeepLabV3, DropsHalfOfTheProjectedFeaturesInTraining) {
  const DeepLabV3 network;
  int dropouts = 0;
  for (const auto& item : network->named_modules()) {
    if (const auto* dropout = item.value()->as<torch::nn::Dropout>()) {
      ++dropouts;
      EXPECT_EQ(item.key(), "classifier.0.project.3");
      EXPECT_EQ(dropout->options.p(), 0.5);
    }
  }
  EXPECT_EQ(dropouts, 1);
}

TEST(DeepLabV3, RefusesATrainingBatchOfOneImage) {
  DeepLabV3 network = formula_network();
  network->train();
  EXPECT_THROW(network(formula_images(1, 64, 64)), std::exception);
}

}  // namespace
}  // namespace pulmoseg::model
