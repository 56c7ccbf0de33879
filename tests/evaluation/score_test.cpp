#include "pulmoseg/evaluation/score.hpp"

#include <gtest/gtest.h>

#include "example.hpp"
#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::evaluation {
namespace {

using metrics::ConfusionCounts;
using volume::Geometry;

/// 2 columns, 2 rows, 3 slices.
Geometry grid() { return {.size = {2, 2, 3}, .spacing = {0.7, 0.7, 5}, .origin = {-10, 20, 30}}; }

const std::vector<float> truth{1, 1, 0, 0, /**/ 0, 0, 0, 0, /**/ 2, 0, 0, 0};
const std::vector<float> guess{1, 0, 1, 0, /**/ 0, 0, 0, 0, /**/ 2, 0, 0, 1};

class ScoreTest : public testing::Test {
 protected:
  std::filesystem::path mask(const std::string& name, const std::vector<float>& labels, const Geometry& stored = grid(),
                             bool with_position = true) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    test::write_mask(folder_ / name, stored, labels, with_position);
    return folder_ / name;
  }
  std::string refusal(const std::filesystem::path& prediction, const std::filesystem::path& reference) {
    try {
      score(prediction, reference);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  test::TemporaryFolder folder_;
};

TEST_F(ScoreTest, CountsTwoMasksSliceBySlice) {
  const Score result = score(mask("p.nii.gz", guess), mask("r.nii.gz", truth));
  ASSERT_EQ(result.slices.size(), 3u);
  EXPECT_EQ(result.slices[0].counts, (ConfusionCounts{1, 1, 1, 1}));
  EXPECT_EQ(result.slices[1].counts, (ConfusionCounts{0, 0, 0, 4}));
  EXPECT_EQ(result.slices[2].counts, (ConfusionCounts{1, 1, 0, 2}));
  EXPECT_EQ(result.slices[2].case_name, "r");
  EXPECT_DOUBLE_EQ(*result.figures.pooled.dice, 4.0 / 7);
  EXPECT_DOUBLE_EQ(*result.figures.per_slice_mean.dice, (0.5 + 1 + 2.0 / 3) / 3);
  EXPECT_FALSE(result.figures.loss);
  EXPECT_FALSE(result.figures.pooled.auc_roc);
  EXPECT_TRUE(result.left_out.empty());
  // All voxels of both masks are surface. Of each one's four or three, one has its nearest partner 0.7 mm away.
  EXPECT_EQ(result.figures.surface.measure.of, "case");
  EXPECT_EQ(result.figures.surface.measure.unit, "mm");
  EXPECT_DOUBLE_EQ(*result.figures.surface.nsd, 1);
  EXPECT_EQ(result.figures.cases[0].surface.nsd, result.figures.surface.nsd);
  ScoreOptions strict;
  strict.tolerance = 0.5;
  const Score narrow = score(folder_ / "p.nii.gz", folder_ / "r.nii.gz", strict);
  EXPECT_DOUBLE_EQ(*narrow.figures.surface.nsd, (2.0 + 2.0) / 7);
}

TEST_F(ScoreTest, TakesOneLabelWhenAsked) {
  const ScoreOptions second{.prediction_label = 2, .reference_label = 2, .on_progress = {}, .stop = {}};
  const Score result = score(mask("p.nii.gz", guess), mask("r.nii.gz", truth), second);
  EXPECT_EQ(result.figures.pooled.counts, (ConfusionCounts{1, 0, 0, 11}));
  const ScoreOptions differing{.prediction_label = 1, .reference_label = 2, .on_progress = {}, .stop = {}};
  EXPECT_EQ(score(folder_ / "p.nii.gz", folder_ / "r.nii.gz", differing).figures.pooled.counts,
            (ConfusionCounts{0, 3, 1, 8}));
}

TEST_F(ScoreTest, TheSameMaskInAnotherAxisOrderAndFormatIsTheSameMask) {
  // Stored from superior to inferior, rows from posterior to anterior: the voxels in reverse, the columns put right again.
  Geometry turned = grid();
  turned.origin = volume::index_to_point(grid(), {0, 1, 2});
  turned.direction[1] = {0, -1, 0};
  turned.direction[2] = {0, 0, -1};
  std::vector<float> stored;
  for (std::size_t k = 3; k-- > 0;) {
    for (std::size_t j = 2; j-- > 0;) {
      for (std::size_t i = 0; i < 2; ++i) stored.push_back(truth[(k * 2 + j) * 2 + i]);
    }
  }
  const Score result = score(mask("p.nii", stored, turned), mask("r.nii.gz", truth));
  EXPECT_EQ(result.figures.pooled.counts, (ConfusionCounts{3, 0, 0, 9}));
}

TEST_F(ScoreTest, NeverResamplesButNamesBothGrids) {
  Geometry shifted = grid();
  shifted.origin[2] += 2.5;
  const std::string message = refusal(mask("p.nii.gz", guess, shifted), mask("r.nii.gz", truth));
  EXPECT_NE(message.find(volume::describe(grid())), std::string::npos) << message;
  EXPECT_NE(message.find(volume::describe(shifted)), std::string::npos) << message;
}

TEST_F(ScoreTest, RefusesAMaskOfAnotherSizeEvenWithoutPosition) {
  Geometry longer = grid();
  longer.size[2] = 4;
  std::vector<float> labels(16, 1);
  EXPECT_NE(refusal(mask("p.nii.gz", labels, longer, false), mask("r.nii.gz", truth)).find("2x2x4"), std::string::npos);
}

TEST_F(ScoreTest, ComparesVoxelByVoxelWhereAHeaderDeclaresNoPosition) {
  Geometry nowhere{.size = {2, 2, 3}};
  const Score result = score(mask("p.nii.gz", guess, nowhere, false), mask("r.nii.gz", truth));
  EXPECT_EQ(result.figures.pooled.counts, (ConfusionCounts{2, 2, 1, 7}));
  EXPECT_EQ(result.figures.surface.measure.unit, "mm");  // the reference's
  const Score without = score(folder_ / "p.nii.gz", mask("n.nii.gz", truth, nowhere, false));
  EXPECT_EQ(without.figures.surface.measure.unit, "voxels");
}

TEST_F(ScoreTest, RefusesScansAndProbabilityMaps) {
  auto values = guess;
  values[5] = 0.37F;
  EXPECT_NE(refusal(mask("p.nii.gz", values), mask("r.nii.gz", truth)).find("slice 1 holds the value 0.37"),
            std::string::npos);
  values[5] = -1024;
  EXPECT_NE(refusal(mask("q.nii.gz", values), folder_ / "r.nii.gz").find("holds the value -1024"), std::string::npos);
  values[5] = 1064;  // a scan whose smallest value is 0
  EXPECT_NE(refusal(mask("s.nii.gz", values), folder_ / "r.nii.gz").find("holds the value 1064"), std::string::npos);
}

TEST_F(ScoreTest, OfFoldersScoresWhatItCanAndNamesTheRest) {
  Geometry shifted = grid();
  shifted.origin[0] += 100;
  mask("r/a.nii.gz", truth), mask("r/b.nii.gz", truth), mask("r/moved.nii.gz", truth), mask("r/lacking.nii.gz", truth);
  mask("p/a.nii.gz", truth), mask("p/b.nii.gz", guess), mask("p/moved.nii.gz", guess, shifted);
  std::int64_t progress = 0;
  const Score result = score(folder_ / "p", folder_ / "r",
                             {.prediction_label = {},
                              .reference_label = {},
                              .on_progress =
                                  [&](std::int64_t done, std::int64_t total) {
                                    EXPECT_EQ(total, 3);
                                    progress = done;
                                  },
                              .stop = {}});
  EXPECT_EQ(progress, 3);
  ASSERT_EQ(result.figures.cases.size(), 2u);
  EXPECT_DOUBLE_EQ(*result.figures.case_mean.dice, (1 + 4.0 / 7) / 2);
  EXPECT_EQ(result.slices[3].row, 3);
  EXPECT_EQ(result.slices[3].slice, 0);
  ASSERT_EQ(result.left_out.size(), 2u);
  EXPECT_EQ(result.left_out[0].name, "lacking");
  EXPECT_EQ(result.left_out[1].name, "moved");
  EXPECT_NE(result.left_out[1].reason.find("its grid"), std::string::npos);
}

TEST_F(ScoreTest, FailsWhenNothingCouldBeScored) {
  Geometry shifted = grid();
  shifted.origin[0] += 100;
  mask("r/a.nii.gz", truth), mask("p/a.nii.gz", guess, shifted);
  EXPECT_NE(refusal(folder_ / "p", folder_ / "r").find("none of its 1 masks could be scored"), std::string::npos);
}

TEST_F(ScoreTest, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(score(mask("p.nii.gz", guess), mask("r.nii.gz", truth),
                     {.prediction_label = {}, .reference_label = {}, .on_progress = {}, .stop = source.get_token()}),
               Interrupted);
}

}  // namespace
}  // namespace pulmoseg::evaluation
