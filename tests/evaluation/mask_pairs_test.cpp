#include "pulmoseg/evaluation/mask_pairs.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg::evaluation {
namespace {

namespace fs = std::filesystem;

class MaskPairsTest : public testing::Test {
 protected:
  fs::path make(const std::string& folder, const std::vector<std::string>& files) {
    fs::create_directories(folder_ / folder);
    for (const auto& file : files) write_file(folder_ / folder / file, "x");
    return folder_ / folder;
  }
  std::string refusal(const fs::path& prediction, const fs::path& reference) {
    try {
      pair_masks(prediction, reference);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  test::TemporaryFolder folder_;
};

TEST_F(MaskPairsTest, TwoFilesAreAPairWhateverTheirNames) {
  const auto prediction = make("p", {"out.nrrd"}) / "out.nrrd",
             reference = make("r", {"case 1.nii.gz"}) / "case 1.nii.gz";
  const MaskPairs result = pair_masks(prediction, reference);
  ASSERT_EQ(result.pairs.size(), 1u);
  EXPECT_EQ(result.pairs[0].name, "case 1");
  EXPECT_EQ(result.pairs[0].prediction, prediction);
  EXPECT_TRUE(result.unpaired.empty());
}

TEST_F(MaskPairsTest, FoldersAreMatchedByNameWithoutSuffix) {
  const auto prediction = make("p", {"b.nii", "a.nrrd", "extra.nii.gz", "a.json", ".hidden.nii"});
  const auto reference = make("r", {"a.nii.gz", "b.nii.gz", "lacking.nii.gz", "notes.txt"});
  const MaskPairs result = pair_masks(prediction, reference);
  ASSERT_EQ(result.pairs.size(), 2u);
  EXPECT_EQ(result.pairs[0].name, "a");
  EXPECT_EQ(result.pairs[0].prediction, prediction / "a.nrrd");
  EXPECT_EQ(result.pairs[1].reference, reference / "b.nii.gz");
  ASSERT_EQ(result.unpaired.size(), 2u);
  EXPECT_EQ(result.unpaired[0].name, "lacking");
  EXPECT_EQ(result.unpaired[0].reason, "has a reference but no prediction");
  EXPECT_EQ(result.unpaired[1].name, "extra");
  EXPECT_EQ(result.unpaired[1].reason, "has a prediction but no reference");
}

TEST_F(MaskPairsTest, ASegmentationOfSlicerIsCalledAsItsScan) {
  const auto prediction = make("p", {"a.seg.nrrd"}), reference = make("r", {"a.nii"});
  const MaskPairs result = pair_masks(prediction, reference);
  ASSERT_EQ(result.pairs.size(), 1u);
  EXPECT_EQ(result.pairs[0].name, "a");
  EXPECT_EQ(pair_masks(reference / "a.nii", prediction / "a.seg.nrrd").pairs[0].name, "a");
  EXPECT_NE(refusal(make("p", {"a.nii.gz"}), reference).find("two masks of one name"), std::string::npos);
}

TEST_F(MaskPairsTest, OnlyVolumesAreMasks) {
  const MaskPairs result = pair_masks(make("p", {"a.nii", "DICOMDIR"}), make("r", {"a.nii", "labels.zip"}));
  EXPECT_EQ(result.pairs.size(), 1u);
  EXPECT_TRUE(result.unpaired.empty()) << result.unpaired[0].name;
}

TEST_F(MaskPairsTest, SaysWhatIsWrong) {
  const auto prediction = make("p", {"a.nii"}), reference = make("r", {"b.nii.gz"}), empty = make("empty", {"x.txt"});
  const auto twice = make("twice", {"a.nii", "a.nii.gz"});
  EXPECT_NE(refusal(folder_ / "none", reference).find("none: no such file or folder"), std::string::npos);
  EXPECT_NE(refusal(prediction, reference / "b.nii.gz").find("expected two masks or two folders"), std::string::npos);
  EXPECT_NE(refusal(prediction, empty).find("empty: holds no masks"), std::string::npos);
  EXPECT_NE(refusal(twice, reference).find("two masks of one name"), std::string::npos);
  EXPECT_NE(refusal(prediction, reference).find("none of its masks (a, …) has the name"), std::string::npos);
}

}  // namespace
}  // namespace pulmoseg::evaluation
