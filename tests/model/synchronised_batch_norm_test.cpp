// BatchNorm over the samples of several ranks (threads here) against BatchNorm over all of them in one.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <barrier>
#include <mutex>
#include <numeric>
#include <thread>

#include "pulmoseg/model/batch_norm.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

Tensor channels_last(const Tensor& images) { return images.contiguous(torch::MemoryFormat::ChannelsLast); }

/// Adds up over threads that all call it.
class ThreadSum {
 public:
  explicit ThreadSum(int threads) : barrier_(threads) {}
  void operator()(Tensor& tensor) {
    {
      const std::scoped_lock lock(mutex_);
      total_ = total_.defined() ? total_ + tensor : tensor.clone();
    }
    barrier_.arrive_and_wait();
    tensor.copy_(total_);
    barrier_.arrive_and_wait();
    total_ = Tensor();
    barrier_.arrive_and_wait();
  }

 private:
  std::mutex mutex_;
  std::barrier<> barrier_;
  Tensor total_;
};

struct Found {
  Tensor output, input_gradient, addend_gradient;  // of this rank's samples
  Tensor weight_gradient, bias_gradient, running_mean, running_var;
};

enum class Way { fused, fused_with_addend, alone };

Found step(Way way, torch::Dtype type, const Tensor& input, const Tensor& addend, const Tensor& gradient,
           const SumOverRanks& sum) {
  const std::int64_t channels = input.size(1);
  BatchNorm norm(channels);
  if (type == torch::kFloat64) norm->to(type);
  {
    const torch::NoGradGuard no_gradients;
    norm->weight.copy_(torch::linspace(0.5, 1.5, channels));
    norm->bias.copy_(torch::linspace(-0.5, 0.5, channels));
  }
  if (sum) synchronise_batch_norm(*norm, sum);
  const Tensor x = input.clone().requires_grad_(), a = addend.clone().requires_grad_();
  const Tensor output =
      way == Way::alone ? norm->forward(x) : batch_norm_relu(*norm, x, way == Way::fused ? Tensor() : a);
  output.backward(gradient);
  return {output.detach(),     x.grad(),          way == Way::fused_with_addend ? a.grad() : torch::zeros_like(x),
          norm->weight.grad(), norm->bias.grad(), norm->running_mean,
          norm->running_var};
}

void expect_near(const Tensor& found, const Tensor& expected, double tolerance, const char* what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  const Tensor f = found.to(torch::kFloat64), e = expected.to(torch::kFloat64);
  EXPECT_LE((f - e).abs().max().item<double>(), tolerance * (1 + e.abs().max().item<double>())) << what;
}

/// `pieces`: samples a rank.
void expect_equal_to_one_rank(Way way, torch::Dtype type, const std::vector<std::int64_t>& pieces, std::int64_t size,
                              double tolerance) {
  torch::manual_seed(7);
  const std::int64_t samples = std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0}), channels = 5;
  const auto random = [&] {
    return channels_last(torch::randn({samples, channels, size, size}, torch::kFloat64).mul_(2).add_(3).to(type));
  };
  const Tensor input = random(), addend = random(), gradient = random();
  const Found whole = step(way, type, input, addend, gradient, {});

  ThreadSum sum(static_cast<int>(pieces.size()));
  std::vector<Found> found(pieces.size());
  {
    std::vector<std::jthread> ranks;
    std::int64_t first = 0;
    for (std::size_t rank = 0; rank < pieces.size(); first += pieces[rank++]) {
      ranks.emplace_back([&, rank, first] {
        const auto piece = [&](const Tensor& all) { return channels_last(all.slice(0, first, first + pieces[rank])); };
        found[rank] = step(way, type, piece(input), piece(addend), piece(gradient), [&](Tensor& t) { sum(t); });
      });
    }
  }
  const auto joined = [&](Tensor Found::*member) {
    std::vector<Tensor> all;
    for (const Found& rank : found) all.push_back(rank.*member);
    return torch::cat(all);
  };
  const auto summed = [&](Tensor Found::*member) {
    Tensor total = torch::zeros_like(found[0].*member);
    for (const Found& rank : found) total += rank.*member;
    return total;
  };
  expect_near(joined(&Found::output), whole.output, tolerance, "output");
  expect_near(joined(&Found::input_gradient), whole.input_gradient, tolerance, "input gradient");
  expect_near(joined(&Found::addend_gradient), whole.addend_gradient, tolerance, "addend gradient");
  expect_near(summed(&Found::weight_gradient), whole.weight_gradient, tolerance, "weight gradient");
  expect_near(summed(&Found::bias_gradient), whole.bias_gradient, tolerance, "bias gradient");
  for (const Found& rank : found) {
    expect_near(rank.running_mean, whole.running_mean, tolerance, "running mean");
    expect_near(rank.running_var, whole.running_var, tolerance, "running variance");
  }
}

TEST(SynchronisedBatchNorm, EqualsOneRankWithTheWholeBatch) {
  for (const Way way : {Way::fused, Way::fused_with_addend, Way::alone}) {
    expect_equal_to_one_rank(way, torch::kFloat32, {4, 4}, 9, 1e-5);
    expect_equal_to_one_rank(way, torch::kFloat32, {1, 2, 1, 1}, 7, 1e-5);
    expect_equal_to_one_rank(way, torch::kFloat64, {2, 3}, 7, 1e-12);
    expect_equal_to_one_rank(way, torch::kBFloat16, {2, 3}, 7, 0.02);
  }
}

TEST(SynchronisedBatchNorm, OneSampleOfOnePixelARankIsEnough) {  // the pooled branch
  expect_equal_to_one_rank(Way::fused, torch::kFloat32, {1, 1, 1}, 1, 1e-5);
}

TEST(SynchronisedBatchNorm, NothingIsExchangedInEvalMode) {
  BatchNorm norm(3);
  synchronise_batch_norm(*norm, [](Tensor&) { FAIL(); });
  norm->eval();
  const Tensor input = channels_last(torch::randn({2, 3, 4, 4}));
  norm->forward(input);
  batch_norm_relu(*norm, input);
}

}  // namespace
}  // namespace pulmoseg::model
