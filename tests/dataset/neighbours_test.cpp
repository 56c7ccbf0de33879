#include "pulmoseg/dataset/neighbours.hpp"

#include <gtest/gtest.h>

#include "dataset/small_dataset.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

using Rows = std::vector<std::int64_t>;

class NeighboursTest : public testing::Test {
 protected:
  NeighboursTest() { test::write_small_dataset(folder_ / "set", {{"a", "p", 3}, {"b", "p", 1}, {"c", "q", 2}}); }
  test::TemporaryFolder folder_;
};

TEST_F(NeighboursTest, AreOfTheSameCaseAndEndWithIt) {
  const Neighbours neighbours(Dataset::open(folder_ / "set"), 2);
  EXPECT_EQ(neighbours.of(0), (Rows{0, 0, 0, 1, 2}));
  EXPECT_EQ(neighbours.of(1), (Rows{0, 0, 1, 2, 2}));
  EXPECT_EQ(neighbours.of(2), (Rows{0, 1, 2, 2, 2}));
  EXPECT_EQ(neighbours.of(3), (Rows{3, 3, 3, 3, 3}));
  EXPECT_EQ(neighbours.of(5), (Rows{4, 4, 5, 5, 5}));
}

TEST_F(NeighboursTest, NoneIsTheSliceAlone) {
  EXPECT_EQ(Neighbours(Dataset::open(folder_ / "set"), 0).of(4), (Rows{4}));
}

}  // namespace
}  // namespace pulmoseg::dataset
