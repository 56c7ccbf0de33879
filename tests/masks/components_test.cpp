// Connected parts against scipy.ndimage (tests/oracle/masks.py).

#include "pulmoseg/masks/components.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::masks {
namespace {

using Mask = std::vector<std::uint8_t>;

Mask digits(const std::string& text) {
  Mask mask;
  for (const char digit : text) mask.push_back(static_cast<std::uint8_t>(digit - '0'));
  return mask;
}

TEST(Components, EqualScipys) {
  std::ifstream file(test::repository_file("tests/data/masks/components.json"));
  const auto golden = nlohmann::json::parse(file);
  ASSERT_EQ(golden["examples"].size(), 10u);
  for (const auto& example : golden["examples"]) {
    const std::string name = example["name"];
    const auto size = example["size"].get<Size>();
    const auto mask = digits(example["mask"]);
    EXPECT_EQ(Components(mask, size).voxels(), example["voxels"].get<std::vector<std::int64_t>>()) << name;
    const auto changed = [&](auto change) {
      Mask copy = mask;
      change(std::span(copy));
      return copy;
    };
    EXPECT_EQ(changed([&](auto copy) { keep_largest(copy, size, 2, 0.25); }), digits(example["two_largest"])) << name;
    EXPECT_EQ(changed([&](auto copy) { drop_smaller_than(copy, size, 3); }), digits(example["without_smaller_than_3"]))
        << name;
    EXPECT_EQ(changed([&](auto copy) { fill_holes_in_slices(copy, size); }), digits(example["filled"])) << name;
  }
}

TEST(Components, EveryValueButZeroIsInTheMask) {
  Mask mask{7, 0, 255, 255};
  EXPECT_EQ(Components(mask, {4, 1, 1}).voxels(), (std::vector<std::int64_t>{1, 2}));
  keep_largest(mask, {4, 1, 1}, 1, 0);
  EXPECT_EQ(mask, (Mask{0, 0, 255, 255}));
}

TEST(Components, OfEqualPartsTheEarlierIsKept) {
  Mask mask{1, 0, 1, 0, 1};
  keep_largest(mask, {5, 1, 1}, 2, 1);
  EXPECT_EQ(mask, (Mask{1, 0, 1, 0, 0}));
}

TEST(Components, AMaskOfAnotherSizeIsRefused) {
  Mask mask(5);
  EXPECT_THROW(Components(mask, {2, 3, 1}), Error);
  EXPECT_THROW(fill_holes_in_slices(mask, {2, 3, 1}), Error);
}

}  // namespace
}  // namespace pulmoseg::masks
