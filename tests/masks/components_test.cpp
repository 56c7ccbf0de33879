// Connected parts against scipy.ndimage (tests/oracle/masks.py).

#include "pulmoseg/masks/components.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

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
    const RunMask runs = RunMask::of(mask, size);
    EXPECT_EQ(Components(runs).voxels(), example["voxels"].get<std::vector<std::int64_t>>()) << name;
    const auto changed = [&](auto change) {
      RunMask copy = runs;
      change(copy);
      return copy;
    };
    const auto expected = [&](const char* key) { return RunMask::of(digits(example[key]), size); };
    EXPECT_EQ(changed([](RunMask& copy) { keep_largest(copy, 2, 0.25); }), expected("two_largest")) << name;
    EXPECT_EQ(changed([](RunMask& copy) { drop_smaller_than(copy, 3); }), expected("without_smaller_than_3")) << name;
    EXPECT_EQ(changed([](RunMask& copy) { fill_holes_in_slices(copy); }), expected("filled")) << name;
  }
}

TEST(Components, OfEqualPartsTheEarlierIsKept) {
  RunMask mask = RunMask::of(Mask{1, 0, 1, 0, 1}, {5, 1, 1});
  keep_largest(mask, 2, 1);
  EXPECT_EQ(mask, RunMask::of(Mask{1, 0, 1, 0, 0}, {5, 1, 1}));
}

}  // namespace
}  // namespace pulmoseg::masks
