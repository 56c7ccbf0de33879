// Dropout by what torch::dropout promises: how many are kept, what they become, the same mask backward.

#include "pulmoseg/model/dropout.hpp"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>

namespace pulmoseg::model {
namespace {

using torch::Tensor;

Tensor drawn(std::uint64_t seed, double share, torch::ScalarType type = torch::kFloat32) {
  torch::manual_seed(seed);
  return dropout(torch::ones({4, 16, 64, 64}, type), share);
}

TEST(Dropout, KeepsTheShareAndScalesWhatItKeeps) {
  for (const double share : {0.1, 0.5, 0.9}) {
    const Tensor found = drawn(1, share), kept = found.ne(0);
    const auto count = static_cast<double>(found.numel());
    // Five standard deviations of a binomial.
    EXPECT_NEAR(kept.sum().item<double>(), count * (1 - share), 5 * std::sqrt(count * share * (1 - share)));
    EXPECT_TRUE(torch::allclose(found.masked_select(kept), torch::tensor(1 / (1 - share), torch::kFloat32)));
    // Neighbours are drawn independently: both are kept in (1 - share)² of the pairs.
    const double pairs = (kept.slice(3, 1) * kept.slice(3, 0, -1)).to(torch::kDouble).mean().item<double>();
    EXPECT_NEAR(pairs, (1 - share) * (1 - share), 0.01);
  }
  EXPECT_TRUE(torch::equal(drawn(1, 0), torch::ones({4, 16, 64, 64})));
}

TEST(Dropout, FollowsTheSeedAndNotTheThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor alone = drawn(5, 0.5);
  at::set_num_threads(3);
  EXPECT_TRUE(torch::equal(alone, drawn(5, 0.5)));
  at::set_num_threads(threads);
  EXPECT_FALSE(torch::equal(alone, drawn(6, 0.5)));
  torch::manual_seed(5);
  const Tensor first = dropout(torch::ones({100}), 0.5);
  EXPECT_FALSE(torch::equal(first, dropout(torch::ones({100}), 0.5))) << "the next draw is another";
  EXPECT_TRUE(torch::equal(alone.to(torch::kBFloat16), drawn(5, 0.5, torch::kBFloat16)));
}

TEST(Dropout, TheGradientGoesThroughWhatIsKept) {
  torch::manual_seed(2);
  const Tensor features = torch::rand({2, 3, 8, 8}).add(1).requires_grad_();
  const Tensor found = dropout(features, 0.25);
  found.sum().backward();
  EXPECT_TRUE(torch::allclose(features.grad() * features.detach(), found.detach()));
}

}  // namespace
}  // namespace pulmoseg::model
