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
  const auto dataset = Dataset::open(folder_ / "set");
  EXPECT_EQ(neighbours_of(dataset, 0, 2), (Rows{0, 0, 0, 1, 2}));
  EXPECT_EQ(neighbours_of(dataset, 1, 2), (Rows{0, 0, 1, 2, 2}));
  EXPECT_EQ(neighbours_of(dataset, 2, 2), (Rows{0, 1, 2, 2, 2}));
  EXPECT_EQ(neighbours_of(dataset, 3, 2), (Rows{3, 3, 3, 3, 3}));
  EXPECT_EQ(neighbours_of(dataset, 5, 2), (Rows{4, 4, 5, 5, 5}));
}

TEST_F(NeighboursTest, NoneIsTheSliceAlone) {
  EXPECT_EQ(neighbours_of(Dataset::open(folder_ / "set"), 4, 0), (Rows{4}));
}

}  // namespace
}  // namespace pulmoseg::dataset
