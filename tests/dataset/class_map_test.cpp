#include "pulmoseg/dataset/class_map.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/dataset_writer.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Names = std::vector<std::string>;

/// Two slices of 4 x 4: lesion labels 0 1 2 3 4 in the first pixels, lung in the pixels 3 to 9; the second without lung mask.
Dataset labelled(const std::filesystem::path& folder) {
  DatasetWriter writer(folder, {.preprocessing = {.size = 4}});
  for (const bool has_lung : {true, false}) {
    const std::int64_t row = writer.add_slice("a", "p", has_lung ? 0 : 1, has_lung);
    writer.write_image(row, std::vector<float>(16, 0.5F));
    Bytes labels(16), lung(16);
    for (std::uint8_t label = 1; label < 5; ++label) labels[label] = label;
    for (std::size_t i = 3; has_lung && i < 10; ++i) lung[i] = 1;
    writer.write_labels(row, labels);
    writer.write_lung_mask(row, lung);
  }
  writer.commit({});
  return Dataset::open(folder);
}

Bytes targets(const ClassMap& map, const Dataset& dataset) {
  Bytes classes(16);
  map.targets(dataset, 0, classes);
  return classes;
}

std::string refusal(std::string_view text) {
  try {
    ClassMap::parse(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClassMap, TheOriginalsIsLesionAndBackground) {
  const test::TemporaryFolder folder;
  const auto map = ClassMap::parse("lesion");
  EXPECT_EQ(map.names(), (Names{"background", "lesion"}));
  EXPECT_EQ(map.text(), "lesion");
  EXPECT_FALSE(map.has_lung());
  EXPECT_TRUE(map.further_regions().empty());
  EXPECT_EQ(targets(map, labelled(folder / "set")), (Bytes{0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(ClassMap, LungIsWhatIsNotLesionAndItsRegionIsBoth) {
  const test::TemporaryFolder folder;
  const auto dataset = labelled(folder / "set");
  const auto map = ClassMap::parse("lung+lesion");
  EXPECT_EQ(map.names(), (Names{"background", "lung", "lesion"}));
  EXPECT_EQ(targets(map, dataset), (Bytes{0, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(map.lesion().has, (std::vector<bool>{false, false, true}));
  ASSERT_EQ(map.further_regions().size(), 1u);
  EXPECT_EQ(map.further_regions()[0].name, "lung");
  EXPECT_EQ(map.lung().has, (std::vector<bool>{false, true, true}));
  EXPECT_TRUE(map.knows_targets(dataset.slices()[0]));
  EXPECT_FALSE(map.knows_targets(dataset.slices()[1]));
}

TEST(ClassMap, TheMostParticularLineTakesAPixel) {
  const test::TemporaryFolder folder;
  const auto map = ClassMap::parse("# of a file\nany = lesion\n\nlung = lung  # the mask\nground glass = label 1 4\n");
  EXPECT_EQ(map.names(), (Names{"background", "any", "lung", "ground glass"}));
  EXPECT_EQ(targets(map, labelled(folder / "set")), (Bytes{0, 3, 1, 1, 3, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0}));
  Names regions;
  for (const auto& region : map.further_regions()) regions.push_back(region.name);
  EXPECT_EQ(regions, (Names{"lung", "any", "ground glass"}));
  EXPECT_EQ(map.lesion().has, (std::vector<bool>{false, true, false, true}));
}

TEST(ClassMap, LabelsThatNoLineNamesAreBackground) {
  const test::TemporaryFolder folder;
  const auto map = ClassMap::parse("ggo+consolidation+effusion");
  EXPECT_EQ(targets(map, labelled(folder / "set")), (Bytes{0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(ClassMap, ItsTextIsTheMap) {
  for (const char* text : {"lesion", "lung+lesion", "ggo+consolidation+effusion", "a b = label 7 9; lung = lung"}) {
    const auto map = ClassMap::parse(text);
    EXPECT_EQ(map.text(), text);
    EXPECT_EQ(ClassMap::parse(map.text()), map);
  }
  EXPECT_EQ(ClassMap::parse(" lung=lung ;lesion =lesion").text(), "lung+lesion");
}

TEST(ClassMap, OfNamesKnowsLungAndLesionOnly) {
  EXPECT_EQ(ClassMap::of_names(Names{"background", "lung", "lesion"}), ClassMap::parse("lung+lesion"));
  const auto odd = ClassMap::of_names(Names{"background", "heart", "lesion"});
  EXPECT_EQ(odd.lesion().has, (std::vector<bool>{false, false, true}));
  EXPECT_FALSE(odd.knows_targets({0, "a", "p", 0, true, true}));
  EXPECT_TRUE(odd.further_regions().empty());
}

TEST(ClassMap, MistakesAreNamed) {
  EXPECT_NE(refusal("").find("names no class"), std::string::npos);
  EXPECT_NE(refusal("liver").find("\"liver\": has no equals sign; expected lines NAME = lung"), std::string::npos);
  EXPECT_NE(refusal("lung = lung").find("no class that is lesion"), std::string::npos);
  EXPECT_NE(refusal("a = lesion; a = label 1").find("names a class twice"), std::string::npos);
  EXPECT_NE(refusal("a = lesion; b = lesion").find("lesion is taken twice"), std::string::npos);
  EXPECT_NE(refusal("a = label 1 2; b = label 2").find("label 2 is taken twice"), std::string::npos);
  EXPECT_NE(refusal("a = label 0").find("0 is no label"), std::string::npos);
  EXPECT_NE(refusal("a = label 256").find("256 is no label"), std::string::npos);
  EXPECT_NE(refusal("a = label").find("does not say where"), std::string::npos);
  EXPECT_NE(refusal("a = heart").find("does not say where"), std::string::npos);
  EXPECT_NE(refusal("background = lesion").find("other than background"), std::string::npos);
  EXPECT_NE(refusal("a,b = lesion").find("without comma"), std::string::npos);
}

}  // namespace
}  // namespace pulmoseg::dataset
