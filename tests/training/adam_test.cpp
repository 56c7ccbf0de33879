#include "pulmoseg/training/adam.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::training {
namespace {

TEST(Adam, FollowsThePaper) {
  torch::nn::Linear network(3, 2);
  Adam adam(*network, 0.01);
  auto weight = network->weight.detach().to(torch::kFloat64).clone();
  auto m = torch::zeros_like(weight), v = torch::zeros_like(weight);
  for (int t = 1; t <= 5; ++t) {
    const auto gradient = torch::full_like(weight, 0.3 * t) * torch::arange(6).reshape({2, 3}).sub(2.5);
    network->weight.mutable_grad() = gradient.to(torch::kFloat32);
    network->bias.mutable_grad() = torch::zeros({2});
    adam.step();
    // Algorithm 1 of Kingma & Ba.
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient * gradient;
    weight -= 0.01 * (m / (1 - std::pow(0.9, t))) / ((v / (1 - std::pow(0.999, t))).sqrt() + 1e-8);
    EXPECT_TRUE(torch::allclose(network->weight.to(torch::kFloat64), weight, 0, 1e-6)) << t;
  }
}

TEST(Adam, AGradientInAnotherMemoryOrderMeansTheSame) {
  torch::manual_seed(0);
  torch::nn::Conv2d one(torch::nn::Conv2dOptions(4, 3, 3)), other(torch::nn::Conv2dOptions(4, 3, 3));
  const torch::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < 2; ++i) other->parameters()[i].copy_(one->parameters()[i]);
  other->weight.set_data(other->weight.contiguous(torch::MemoryFormat::ChannelsLast));
  Adam first(*one, 0.1), second(*other, 0.1);
  const auto gradient = torch::randn({3, 4, 3, 3});
  for (auto& network : {one, other}) {
    network->weight.mutable_grad() = gradient;
    network->bias.mutable_grad() = torch::ones({3});
  }
  first.step();
  second.step();
  EXPECT_TRUE(torch::equal(one->weight, other->weight));
}

TEST(Adam, StateComesBackExactlyAndIsChecked) {
  torch::manual_seed(0);
  torch::nn::Linear network(3, 2), copy(3, 2);
  Adam adam(*network, 0.01), restored(*copy, 0.01);
  const auto step = [](torch::nn::Linear& module, Adam& optimiser, std::int64_t seed) {
    torch::manual_seed(static_cast<std::uint64_t>(seed));
    optimiser.zero_gradients();
    module->forward(torch::randn({4, 3})).square().sum().backward();
    optimiser.step();
  };
  step(network, adam, 1);
  {
    const torch::NoGradGuard no_gradients;
    for (std::size_t i = 0; i < 2; ++i) copy->parameters()[i].copy_(network->parameters()[i]);
  }
  restored.load_state_dict(adam.state_dict(), "file");
  step(network, adam, 2);
  step(copy, restored, 2);
  EXPECT_TRUE(torch::equal(network->weight, copy->weight));

  auto incomplete = adam.state_dict();
  incomplete.pop_back();
  EXPECT_EQ(test::message_of<Error>([&] { restored.load_state_dict(incomplete, "file"); }),
            "file: the optimiser's bias.exp_avg_sq is missing, expected 2; it is a checkpoint of another network");
}

}  // namespace
}  // namespace pulmoseg::training
