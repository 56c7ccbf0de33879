#include "pulmoseg/dataset/familiarity.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "dataset/small_dataset.hpp"
#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

TEST(Appearance, AHandComputedExample) {
  const std::vector<float> pixels{0.1F, 0.9F, 0.5F, 0.5F};  // two rows
  const Appearance found = appearance_of(pixels, 2);
  EXPECT_NEAR(found[0], 0.5, 1e-6);
  EXPECT_NEAR(found[1], std::sqrt(0.08), 1e-6);
  EXPECT_EQ(found[2], 0.25);
  EXPECT_EQ(found[3], 0.25);
  EXPECT_NEAR(found[4], 0.8 / 4, 1e-6);
}

/// Rows 0 to 2 are case a (brightness 0, 0.01, 0.02), rows 3 and 4 case b (0.03, 0.04).
class FamiliarityTest : public testing::Test {
 protected:
  FamiliarityTest() { test::write_small_dataset(folder_ / "set", {{"a", "p", 3}, {"b", "q", 2}}); }
  test::TemporaryFolder folder_;
};

TEST_F(FamiliarityTest, RangesAreThoseOfTheCases) {
  const auto dataset = Dataset::open(folder_ / "set");
  const auto familiarity = Familiarity::of(dataset, std::vector<std::int64_t>{0, 1, 2, 3, 4});
  EXPECT_EQ(familiarity.to_metadata().at("pulmoseg.seen.brightness"), "0.01 0.035");
  EXPECT_EQ(familiarity.to_metadata().at("pulmoseg.seen.dark_share"), "1 1");
  EXPECT_THROW(Familiarity::of(dataset, {}), Error);
}

TEST_F(FamiliarityTest, IsOfWhatTheNetworkSees) {
  const auto dataset = Dataset::open(folder_ / "set");
  const std::vector<std::int64_t> rows{0, 1, 2, 3, 4};
  EXPECT_NE(Familiarity::of(dataset, rows, {.equalisation = 2}).to_metadata(),
            Familiarity::of(dataset, rows).to_metadata());
}

TEST_F(FamiliarityTest, NamesWhatIsStrange) {
  const auto dataset = Dataset::open(folder_ / "set");
  const auto metadata = Familiarity::of(dataset, std::vector<std::int64_t>{0, 1, 2, 3, 4}).to_metadata();
  const auto familiarity = *Familiarity::from_metadata(metadata, "m.onnx");
  EXPECT_TRUE(familiarity.strangeness({0.035, 0, 1, 0, 0}).empty());
  EXPECT_TRUE(familiarity.strangeness({0.041, 0, 1, 0, 0}).empty()) << "within a quarter of the range's width";
  EXPECT_EQ(familiarity.strangeness({0.05, 0, 1, 0, 0}),
            std::vector<std::string>{"brightness 0.05 (seen in training: 0.01 to 0.035)"});
  EXPECT_EQ(familiarity.strangeness({0.02, 0.3, 0.4, 0, 0}).size(), 2u);
  EXPECT_EQ(familiarity.distance({0.02, 0, 1, 0, 0}), 0);
  EXPECT_NEAR(familiarity.distance({0.06, 0, 1, 0, 0}), 1, 1e-6) << "one width of the range";
}

/// A chest in two halves, air and tissue, with a faint texture in the tissue.
std::vector<float> picture(float contrast) {
  std::vector<float> pixels(64 * 64);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = i % 64 < 32 ? 0 : 1 - contrast * static_cast<float>((i * 7919) % 97) / 97;
  return pixels;
}

/// Seen: pictures of this contrast, a little more and a little less.
Familiarity seen_at(float contrast) {
  std::vector<Appearance> cases(2, appearance_of(picture(contrast), 64));
  for (double& value : cases[0]) value -= 0.02;
  for (double& value : cases[1]) value += 0.02;
  return Familiarity::of(cases);
}

Preprocessing decided(const Preprocessing& preprocessing, std::optional<Familiarity> seen, float contrast) {
  EqualisationChoice choice(preprocessing, std::move(seen));
  choice.add(picture(contrast), 64);
  return choice.decide();
}

TEST(EqualisationChoice, EqualisesWhatLooksMoreFamiliarForIt) {
  const Preprocessing open{.equalisation = 5, .equalise_unfamiliar = true};
  EXPECT_EQ(decided(open, seen_at(0.9F), 0.9F), Preprocessing{}) << "familiar as it is";
  EXPECT_EQ(decided(open, seen_at(0.9F), 0.2F), Preprocessing{.equalisation = 5}) << "faint";
}

TEST(EqualisationChoice, LeavesACaseAtTheEdgeOfWhatIsSeen) {
  const Familiarity seen = seen_at(0.9F);
  std::vector<float> edge = picture(0.84F);
  const double as_it_is = seen.distance(appearance_of(edge, 64));
  EXPECT_GT(as_it_is, 0.1);
  EXPECT_EQ(decided({.equalisation = 5, .equalise_unfamiliar = true}, seen, 0.84F), Preprocessing{});
  equalise(edge, 64, 64, {.equalisation = 5});
  EXPECT_LT(seen.distance(appearance_of(edge, 64)), as_it_is) << "nearer, and yet left alone";
}

TEST(EqualisationChoice, WithoutFiguresNothingIsEqualised) {
  EXPECT_EQ(decided({.equalisation = 5, .equalise_unfamiliar = true}, std::nullopt, 0.2F), Preprocessing{});
}

TEST(EqualisationChoice, NothingIsDecidedWhereNothingIsOpen) {
  for (const double clip : {0.0, 5.0}) {
    const Preprocessing closed{.equalisation = clip};
    EXPECT_FALSE(EqualisationChoice(closed, seen_at(0.9F)).is_open());
    EXPECT_EQ(EqualisationChoice(closed, seen_at(0.9F)).decide(), closed);
  }
}

TEST_F(FamiliarityTest, MetadataIsOptionalButNotDamaged) {
  EXPECT_FALSE(Familiarity::from_metadata({{"pulmoseg.size", "256"}}, "m.onnx"));
  std::map<std::string, std::string> damaged;
  for (const char* name : {"brightness", "contrast", "dark_share", "bright_share", "sharpness"})
    damaged[std::string("pulmoseg.seen.") + name] = "0.5 0.25";
  EXPECT_THROW(Familiarity::from_metadata(damaged, "m.onnx"), Error);
}

TEST(CaseAppearance, HasNoMeanWithoutSlices) { EXPECT_FALSE(CaseAppearance().mean()); }

}  // namespace
}  // namespace pulmoseg::dataset
