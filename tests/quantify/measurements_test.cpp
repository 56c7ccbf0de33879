#include "pulmoseg/quantify/measurements.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/data.hpp"
#include "support/nifti.hpp"

namespace pulmoseg::quantify {
namespace {

using Mask = std::vector<std::uint8_t>;

/// 3 columns, 2 rows, 2 slices of 0.5 x 0.8 x 4 mm, turned by 0.3 rad about z: 0.4 mm² a pixel, 0.0016 ml a voxel.
volume::Geometry oblique_grid() {
  const double c = std::cos(0.3), s = std::sin(0.3);
  return {.size = {3, 2, 2},
          .spacing = {0.5, 0.8, 4},
          .origin = {10, -20, 30},
          .direction = {{{c, s, 0}, {-s, c, 0}, {0, 0, 1}}}};
}

const Mask lesion_0{1, 1, 0, 0, 0, 7}, lung_0{1, 0, 1, 1, 1, 1};  // two of three lesion voxels inside, five lung voxels
const Mask lesion_1{0, 0, 0, 0, 0, 0}, lung_1{0, 1, 1, 0, 0, 0};

bool has_note(const Measurements& measured, std::string_view code) {
  return std::any_of(measured.notes.begin(), measured.notes.end(), [&](const Note& note) { return note.code == code; });
}

TEST(Measurer, CountsByHand) {
  Measurer measurer(oblique_grid(), true);
  measurer.add_slice(0, lesion_0, lung_0);
  measurer.add_slice(1, lesion_1, lung_1);
  const Measurements measured = measurer.finish();

  EXPECT_EQ(measured.lesion_voxels, 3);
  EXPECT_NEAR(*measured.lesion_ml, 3 * 0.0016, 1e-12);
  EXPECT_EQ(measured.lesion_slices, 1);
  EXPECT_EQ(measured.lung_voxels, 7);
  EXPECT_NEAR(*measured.lung_ml, 7 * 0.0016, 1e-12);
  EXPECT_EQ(measured.lesion_outside_lung_voxels, 1);
  EXPECT_NEAR(*measured.lesion_outside_lung_ml, 0.0016, 1e-12);
  EXPECT_NEAR(*measured.percent_affected, 100.0 * 2 / 7, 1e-12);
  EXPECT_TRUE(has_note(measured, "lesion_outside_lung"));

  ASSERT_EQ(measured.slices.size(), 2U);
  EXPECT_EQ(measured.slices[0].lesion_voxels, 3);
  EXPECT_NEAR(*measured.slices[0].lesion_area_mm2, 3 * 0.4, 1e-12);
  EXPECT_NEAR(*measured.slices[0].lung_area_mm2, 5 * 0.4, 1e-12);
  EXPECT_NEAR(*measured.slices[0].percent_affected, 40, 1e-12);
  EXPECT_EQ(measured.slices[1].index, 1);
  EXPECT_EQ(*measured.slices[1].percent_affected, 0);
}

TEST(Measurer, OrderOfSlicesDoesNotMatter) {
  Measurer upwards(oblique_grid(), true), downwards(oblique_grid(), true);
  upwards.add_slice(0, lesion_0, lung_0);
  upwards.add_slice(1, lesion_1, lung_1);
  downwards.add_slice(1, lesion_1, lung_1);
  downwards.add_slice(0, lesion_0, lung_0);
  const Measurements a = upwards.finish(), b = downwards.finish();
  EXPECT_EQ(a.percent_affected, b.percent_affected);
  EXPECT_EQ(a.lesion_ml, b.lesion_ml);
  EXPECT_EQ(a.slices[0].lesion_voxels, b.slices[0].lesion_voxels);
  EXPECT_EQ(a.slices[1].lung_voxels, b.slices[1].lung_voxels);
}

TEST(Measurer, GantryTiltShrinksTheVoxelNotThePixel) {
  volume::Geometry tilted = oblique_grid();
  tilted.direction = {{{1, 0, 0}, {0, 1, 0}, {0, std::sin(0.35), std::cos(0.35)}}};
  Measurer measurer(tilted, false);
  measurer.add_slice(0, lesion_0);
  measurer.add_slice(1, lesion_1);
  const Measurements measured = measurer.finish();
  EXPECT_NEAR(*measured.lesion_ml, 3 * 0.0016 * std::cos(0.35), 1e-12);
  EXPECT_NEAR(*measured.slices[0].lesion_area_mm2, 3 * 0.4, 1e-12);
}

TEST(Measurer, PixelAreaOfShearedRows) {
  volume::Geometry sheared = oblique_grid();
  sheared.direction = {{{1, 0, 0}, {std::sin(0.2), std::cos(0.2), 0}, {0, 0, 1}}};
  EXPECT_NEAR(pixel_area_mm2(sheared), 0.4 * std::cos(0.2), 1e-12);
}

TEST(Measurer, WithoutLungMaskLungFiguresAreAbsent) {
  Measurer measurer(oblique_grid(), false);
  measurer.add_slice(0, lesion_0);
  measurer.add_slice(1, lesion_1);
  const Measurements measured = measurer.finish();
  EXPECT_EQ(measured.lesion_voxels, 3);
  EXPECT_FALSE(measured.lung_voxels || measured.lung_ml || measured.percent_affected ||
               measured.lesion_outside_lung_voxels);
  EXPECT_FALSE(measured.slices[0].lung_area_mm2 || measured.slices[0].percent_affected);
  EXPECT_TRUE(has_note(measured, "no_lung_mask"));
}

TEST(Measurer, EmptyLungHasNoPercentage) {
  Measurer measurer(oblique_grid(), true);
  measurer.add_slice(0, lesion_0, Mask(6));
  measurer.add_slice(1, lesion_1, Mask(6));
  const Measurements measured = measurer.finish();
  EXPECT_EQ(measured.lung_voxels, 0);
  EXPECT_FALSE(measured.percent_affected);
  EXPECT_TRUE(has_note(measured, "lung_mask_empty"));
  EXPECT_TRUE(has_note(measured, "lesion_mostly_outside_lung"));
}

TEST(Measurer, AMaskThatLeavesOutTheLesionsIsNoticed) {
  Measurer measurer(oblique_grid(), true);
  Mask healthy(6);
  for (std::size_t i = 0; i < 6; ++i) healthy[i] = lesion_0[i] == 0;
  measurer.add_slice(0, lesion_0, healthy);
  measurer.add_slice(1, lesion_1, lung_1);
  const Measurements measured = measurer.finish();
  EXPECT_EQ(*measured.percent_affected, 0);
  EXPECT_TRUE(has_note(measured, "lesion_mostly_outside_lung"));
}

TEST(Measurer, UnknownSpacingGivesNoVolumes) {
  Measurer measurer({.size = {3, 2, 2}}, true, KnownSpacing::none);
  measurer.add_slice(0, lesion_0, lung_0);
  measurer.add_slice(1, lesion_1, lung_1);
  const Measurements measured = measurer.finish();
  EXPECT_FALSE(measured.lesion_ml || measured.lung_ml || measured.voxel_volume_ml ||
               measured.slices[0].lesion_area_mm2);
  EXPECT_EQ(measured.lesion_voxels, 3);
  EXPECT_NEAR(*measured.percent_affected, 100.0 * 2 / 7, 1e-12);
  EXPECT_TRUE(has_note(measured, "spacing_unknown"));
}

TEST(Measurer, OneMillimetreIsGivenAndFlagged) {
  Measurer measurer({.size = {3, 2, 2}}, false);
  measurer.add_slice(0, lesion_0);
  measurer.add_slice(1, lesion_1);
  const Measurements measured = measurer.finish();
  EXPECT_NEAR(*measured.lesion_ml, 0.003, 1e-12);
  EXPECT_TRUE(has_note(measured, "spacing_is_default"));
}

TEST(Measurer, RefusesWhatIsNotOfTheScan) {
  Measurer measurer(oblique_grid(), false);
  EXPECT_THROW(measurer.add_slice(2, lesion_0), Error);
  EXPECT_THROW(measurer.add_slice(-1, lesion_0), Error);
  EXPECT_THROW(measurer.add_slice(0, Mask(5)), Error);
  EXPECT_THROW(measurer.add_slice(0, lesion_0, lung_0), Error);
  measurer.add_slice(0, lesion_0);
  EXPECT_THROW(measurer.add_slice(0, lesion_0), Error);
  EXPECT_THROW(measurer.finish(), Error);  // slice 1 is missing
}

TEST(Measurer, ASliceWithoutThicknessHasAreasButNoVolume) {
  Measurer measurer({.size = {3, 2, 1}, .spacing = {0.5, 2, 1}}, true, KnownSpacing::in_plane);
  measurer.add_slice(0, lesion_0, lung_0);
  const Measurements measured = measurer.finish();
  EXPECT_FALSE(measured.lesion_ml || measured.lung_ml || measured.voxel_volume_ml || measured.lesion_outside_lung_ml);
  EXPECT_NEAR(*measured.slices[0].lesion_area_mm2, static_cast<double>(measured.lesion_voxels), 1e-12);
  EXPECT_TRUE(has_note(measured, "thickness_unknown"));
}

TEST(KnownSpacing, NeedsAPositionOrASpacingAndForVolumesAThirdAxis) {
  volume::SourceInfo source;
  source.has_geometry = true;
  EXPECT_EQ(known_spacing(source), KnownSpacing::complete);
  source.has_geometry = false;
  EXPECT_EQ(known_spacing(source), KnownSpacing::none);
  source.stored_geometry.spacing = {0.7, 0.7, 5};
  EXPECT_EQ(known_spacing(source), KnownSpacing::complete);
  source.dimensions = 2;
  EXPECT_EQ(known_spacing(source), KnownSpacing::in_plane);
}

/// 4 x 4 x 3 voxels of 0.5 x 2 x 3 mm: 0.003 ml each. Lesion: every voxel with x = 0; lung: x < 2.
struct Files {
  explicit Files(const test::TemporaryFolder& folder)
      : image(folder / "scan ü.nii"), lesion(folder / "lesion.nii"), lung(folder / "lung.nii") {
    std::vector<float> pixels(48), lesions(48), lungs(48);
    for (std::size_t i = 0; i < 48; ++i) {
      pixels[i] = static_cast<float>(i);
      lesions[i] = i % 4 == 0 ? 3 : 0;
      lungs[i] = i % 4 < 2;
    }
    test::write_nifti(image, {.spacing = {0.5, 2, 3}, .voxels = pixels});
    test::write_nifti(lesion, {.spacing = {0.5, 2, 3}, .voxels = lesions});
    test::write_nifti(lung, {.spacing = {0.5, 2, 3}, .voxels = lungs});
  }
  std::filesystem::path image, lesion, lung;
};

TEST(MeasureFiles, GivesTheSameWithAndWithoutPixels) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  const Measurements plain = measure_files(files.image, files.lesion, files.lung);
  double sum = 0;
  const Measurements watched = measure_files(files.image, files.lesion, files.lung, [&](const MeasuredSlice& slice) {
    for (const float pixel : slice.pixels) sum += pixel;
    EXPECT_EQ(slice.lesion.size(), 16U);
    EXPECT_EQ(slice.lung.size(), 16U);
  });
  EXPECT_EQ(sum, 47 * 48 / 2);
  EXPECT_EQ(plain.lesion_voxels, 12);
  EXPECT_NEAR(*plain.lesion_ml, 12 * 0.003, 1e-7);
  EXPECT_NEAR(*plain.percent_affected, 50, 1e-12);
  EXPECT_EQ(watched.lesion_voxels, plain.lesion_voxels);
  EXPECT_EQ(watched.percent_affected, plain.percent_affected);
}

TEST(MeasureFiles, AMaskOfAnotherSizeIsRefused) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  test::write_nifti(folder / "other.nii", {.size = {5, 4, 3}, .with_geometry = false, .voxels = {}});
  EXPECT_THROW(measure_files(files.image, folder / "other.nii", std::nullopt), Error);
}

TEST(MeasureFiles, AScanTakenForAMaskIsRefused) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  std::vector<float> probabilities(48, 0.25F);
  test::write_nifti(folder / "probability.nii", {.spacing = {0.5, 2, 3}, .voxels = probabilities});
  EXPECT_THROW(measure_files(files.image, folder / "probability.nii", std::nullopt), Error);
}

TEST(MeasureFiles, CountsOfARealCase) {
  PULMOSEG_REQUIRE_DATA("covid20");
  const auto data = test::development_data("covid20");
  const CsvTable cases = read_csv(data / "cases.csv");  // counted by whoever prepared the set
  const auto& row = cases.rows.front();
  const std::string name = row[cases.column("case")] + ".nii.gz";
  const Measurements measured =
      measure_files(data / "rp_im" / name, data / "rp_msk" / name, data / "rp_lung_msk" / name);
  EXPECT_EQ(std::to_string(measured.lesion_voxels), row[cases.column("lesion_voxels")]);
  EXPECT_EQ(std::to_string(*measured.lung_voxels), row[cases.column("lung_voxels")]);
  EXPECT_EQ(std::to_string(measured.slices.size()), row[cases.column("slices")]);
}

}  // namespace
}  // namespace pulmoseg::quantify
