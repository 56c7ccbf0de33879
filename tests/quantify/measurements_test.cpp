#include "pulmoseg/quantify/measurements.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
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

ScanMasks masks_of(const volume::Geometry& grid, std::vector<Mask> lesion, std::vector<Mask> lung = {}) {
  ScanMasks masks{masks::RunMask(grid.size), {}};
  if (!lung.empty()) masks.lung.emplace(grid.size);
  for (std::size_t k = 0; k < lesion.size(); ++k) {
    masks.lesion.set(static_cast<std::int64_t>(k), lesion[k]);
    if (masks.lung) masks.lung->set(static_cast<std::int64_t>(k), lung[k]);
  }
  return masks;
}

Measurements measured_of(const ScanFacts& scan, std::vector<Mask> lesion, std::vector<Mask> lung = {}) {
  return Measurer(scan, masks_of(scan.grid, std::move(lesion), std::move(lung))).finish();
}

bool has_note(const Measurements& measured, std::string_view code) {
  return std::any_of(measured.notes.begin(), measured.notes.end(), [&](const Note& note) { return note.code == code; });
}

TEST(Measurer, CountsByHand) {
  const Measurements measured = measured_of({.grid = oblique_grid()}, {lesion_0, lesion_1}, {lung_0, lung_1});

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
  const ScanFacts scan{.grid = oblique_grid()};
  const std::vector<float> low{-1000, -800, -600, -400, -200, 0}, high{-900, -700, -500, -300, -100, 40};
  const auto masks = masks_of(scan.grid, {lesion_0, lesion_1}, {lung_0, lung_1});
  Measurer upwards(scan, masks), downwards(scan, masks);
  upwards.add_slice(0, low);
  upwards.add_slice(1, high);
  downwards.add_slice(1, high);
  downwards.add_slice(0, low);
  const Measurements a = upwards.finish(), b = downwards.finish();
  ASSERT_TRUE(a.density && b.density);
  EXPECT_DOUBLE_EQ(*a.density->mean_hu, (-1000 - 600 - 400 - 200 + 0 - 700 - 500) / 7.0);
  EXPECT_DOUBLE_EQ(*a.density->mean_hu, *b.density->mean_hu);
  EXPECT_EQ(a.percent_affected, b.percent_affected);
}

TEST(Measurer, GantryTiltShrinksTheVoxelNotThePixel) {
  volume::Geometry tilted = oblique_grid();
  tilted.direction = {{{1, 0, 0}, {0, 1, 0}, {0, std::sin(0.35), std::cos(0.35)}}};
  const Measurements measured = measured_of({.grid = tilted}, {lesion_0, lesion_1});
  EXPECT_NEAR(*measured.lesion_ml, 3 * 0.0016 * std::cos(0.35), 1e-12);
  EXPECT_NEAR(*measured.slices[0].lesion_area_mm2, 3 * 0.4, 1e-12);
}

TEST(Measurer, PixelAreaOfShearedRows) {
  volume::Geometry sheared = oblique_grid();
  sheared.direction = {{{1, 0, 0}, {std::sin(0.2), std::cos(0.2), 0}, {0, 0, 1}}};
  EXPECT_NEAR(pixel_area_mm2(sheared), 0.4 * std::cos(0.2), 1e-12);
}

TEST(Measurer, WithoutLungMaskLungFiguresAreAbsent) {
  const Measurements measured = measured_of({.grid = oblique_grid()}, {lesion_0, lesion_1});
  EXPECT_EQ(measured.lesion_voxels, 3);
  EXPECT_FALSE(measured.lung_voxels || measured.lung_ml || measured.percent_affected ||
               measured.lesion_outside_lung_voxels);
  EXPECT_FALSE(measured.slices[0].lung_area_mm2 || measured.slices[0].percent_affected);
  EXPECT_TRUE(has_note(measured, "no_lung_mask"));
}

TEST(Measurer, EmptyLungHasNoPercentage) {
  const Measurements measured = measured_of({.grid = oblique_grid()}, {lesion_0, lesion_1}, {Mask(6), Mask(6)});
  EXPECT_EQ(measured.lung_voxels, 0);
  EXPECT_FALSE(measured.percent_affected);
  EXPECT_TRUE(has_note(measured, "lung_mask_empty"));
  EXPECT_TRUE(has_note(measured, "lesion_mostly_outside_lung"));
}

TEST(Measurer, AMaskThatLeavesOutTheLesionsIsNoticed) {
  Mask healthy(6);
  for (std::size_t i = 0; i < 6; ++i) healthy[i] = lesion_0[i] == 0;
  const Measurements measured = measured_of({.grid = oblique_grid()}, {lesion_0, lesion_1}, {healthy, lung_1});
  EXPECT_EQ(*measured.percent_affected, 0);
  EXPECT_TRUE(has_note(measured, "lesion_mostly_outside_lung"));
}

TEST(Measurer, UnknownSpacingGivesNoVolumes) {
  const Measurements measured = measured_of({.grid = {.size = {3, 2, 2}}, .known_spacing = KnownSpacing::none},
                                            {lesion_0, lesion_1}, {lung_0, lung_1});
  EXPECT_FALSE(measured.lesion_ml || measured.lung_ml || measured.voxel_volume_ml ||
               measured.slices[0].lesion_area_mm2);
  EXPECT_EQ(measured.lesion_voxels, 3);
  EXPECT_NEAR(*measured.percent_affected, 100.0 * 2 / 7, 1e-12);
  EXPECT_TRUE(has_note(measured, "spacing_unknown"));
}

TEST(Measurer, OneMillimetreIsGivenAndFlagged) {
  const Measurements measured = measured_of({.grid = {.size = {3, 2, 2}}}, {lesion_0, lesion_1});
  EXPECT_NEAR(*measured.lesion_ml, 0.003, 1e-12);
  EXPECT_TRUE(has_note(measured, "spacing_is_default"));
}

TEST(Measurer, RefusesWhatIsNotOfTheScan) {
  const ScanFacts scan{.grid = oblique_grid()};
  EXPECT_THROW(Measurer(scan, {masks::RunMask({3, 2, 3}), {}}), Error);
  EXPECT_THROW(Measurer(scan, {masks::RunMask({3, 2, 2}), masks::RunMask({2, 3, 2})}), Error);
  Measurer measurer(scan, masks_of(scan.grid, {lesion_0, lesion_1}));
  const std::vector<float> pixels(6);
  EXPECT_THROW(measurer.add_slice(2, pixels), Error);
  EXPECT_THROW(measurer.add_slice(-1, pixels), Error);
  EXPECT_THROW(measurer.add_slice(0, std::vector<float>(5)), Error);
  measurer.add_slice(0, pixels);
  EXPECT_THROW(measurer.add_slice(0, pixels), Error);
  EXPECT_THROW(measurer.finish(), Error);  // slice 1 is missing
}

TEST(Measurer, ASliceWithoutThicknessHasAreasButNoVolume) {
  const Measurements measured =
      measured_of({.grid = {.size = {3, 2, 1}, .spacing = {0.5, 2, 1}}, .known_spacing = KnownSpacing::in_plane},
                  {lesion_0}, {lung_0});
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

Measurements measure_files(const std::filesystem::path& image, const std::filesystem::path& lesion,
                           const std::optional<std::filesystem::path>& lung, const OnMeasuredSlice& on_slice = {}) {
  auto scan = volume::VolumeReader::open(image);
  return measure(scan, read_masks(lesion, lung.value_or(""), scan), on_slice);
}

TEST(Measure, ShowsEverySliceWithItsMasks) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  double sum = 0;
  const Measurements measured = measure_files(files.image, files.lesion, files.lung, [&](const MeasuredSlice& slice) {
    for (const float pixel : slice.pixels) sum += pixel;
    EXPECT_EQ(std::count(slice.lesion.begin(), slice.lesion.end(), 1), 4);
    EXPECT_EQ(std::count(slice.lung.begin(), slice.lung.end(), 1), 8);
  });
  EXPECT_EQ(sum, 47 * 48 / 2);
  EXPECT_EQ(measured.lesion_voxels, 12);
  EXPECT_NEAR(*measured.lesion_ml, 12 * 0.003, 1e-7);
  EXPECT_NEAR(*measured.percent_affected, 50, 1e-12);
}

TEST(Measure, AMaskOfAnotherSizeIsRefused) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  test::write_nifti(folder / "other.nii", {.size = {5, 4, 3}, .with_geometry = false, .voxels = {}});
  EXPECT_THROW(measure_files(files.image, folder / "other.nii", std::nullopt), Error);
}

std::string text_of(const Measurements& measured, std::string_view code) {
  for (const auto& note : measured.notes) {
    if (note.code == code) return note.text;
  }
  return {};
}

TEST(Measure, WhatBroughtAMaskOntoTheGridIsSaid) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  for (const char* code : {"mask_resampled", "mask_taken_voxel_by_voxel"})
    EXPECT_FALSE(has_note(measure_files(files.image, files.lesion, files.lung), code));

  test::write_nifti(folder / "fine.nii",
                    {.size = {8, 4, 3}, .spacing = {0.25, 2, 3}, .voxels = std::vector<float>(96, 1)});
  const auto fine = measure_files(files.image, folder / "fine.nii", files.lung);
  EXPECT_TRUE(text_of(fine, "mask_resampled").starts_with("the lesion mask was")) << text_of(fine, "mask_resampled");
  const auto both = measure_files(files.image, folder / "fine.nii", folder / "fine.nii");
  EXPECT_EQ(std::ranges::count(both.notes, "mask_resampled", &Note::code), 2);

  test::write_nifti(folder / "nowhere.nii", {.with_geometry = false, .voxels = std::vector<float>(48, 1)});
  const auto nowhere = measure_files(files.image, files.lesion, folder / "nowhere.nii");
  EXPECT_TRUE(text_of(nowhere, "mask_taken_voxel_by_voxel").starts_with("the lung mask was"));
  EXPECT_FALSE(has_note(nowhere, "mask_resampled"));
}

TEST(Measure, APictureThatContradictsItsHeaderHasNoSidesAndThirds) {
  const test::TemporaryFolder folder;
  const auto measured = [&](bool upside_down) {
    constexpr int slices = 20, side = 40;
    std::vector<float> scan, lung;
    for (int k = 0; k < slices; ++k) {
      const int half = 8 + (upside_down ? k : slices - 1 - k) / 2;
      for (int i = 0; i < side * side; ++i) {
        const int from_middle = std::abs(i % side - side / 2);
        lung.push_back(from_middle > 2 && from_middle < half ? 1.0F : 0.0F);
        scan.push_back(static_cast<float>(i % 256));
      }
    }
    test::write_nifti(folder / "scan.nii", {.size = {side, side, slices}, .spacing = {8, 8, 5}, .voxels = scan});
    test::write_nifti(folder / "lung.nii", {.size = {side, side, slices}, .spacing = {8, 8, 5}, .voxels = lung});
    return measure_files(folder / "scan.nii", folder / "lung.nii", folder / "lung.nii");
  };
  const Measurements right = measured(false), wrong = measured(true);
  EXPECT_FALSE(has_note(right, "wrong_orientation"));
  EXPECT_EQ(right.sides.size(), 2U);
  EXPECT_EQ(right.thirds.size(), 3U);
  EXPECT_TRUE(right.lesion_parts.front().side);
  EXPECT_TRUE(has_note(wrong, "wrong_orientation"));
  EXPECT_TRUE(wrong.sides.empty());
  EXPECT_TRUE(wrong.thirds.empty());
  EXPECT_FALSE(wrong.lesion_parts.front().side);
  EXPECT_EQ(wrong.percent_affected, right.percent_affected);
}

TEST(Measure, SlicesOfASeriesAreNamedAsTheirFilesAre) {
  const test::TemporaryFolder folder;
  test::write_ct_series(folder.path(), 4);  // its instance numbers run against the slices
  const auto slices_of = [](const std::filesystem::path& series) {
    auto scan = volume::VolumeReader::open(series);
    const auto size = scan.geometry().size;
    return measure(scan, {masks::RunMask(size), {}}).slices;
  };
  const auto slices = slices_of(folder.path());
  for (std::int64_t k = 0; k < 4; ++k) {
    EXPECT_EQ(slices[static_cast<std::size_t>(k)].instance_number, 9 - k);
    EXPECT_FALSE(slices[static_cast<std::size_t>(k)].frame_number);
  }
  std::set<std::int64_t> frames;
  for (const auto& slice : slices_of(test::repository_file("tests/data/volume/dicom/enhanced")))
    frames.insert(slice.frame_number.value());
  EXPECT_EQ(frames, (std::set<std::int64_t>{1, 2, 3, 4, 5}));
}

TEST(Measure, NiftiSlicesHaveNoNumberOfASeries) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  for (const auto& slice : measure_files(files.image, files.lesion, files.lung).slices)
    EXPECT_FALSE(slice.instance_number || slice.frame_number);
}

TEST(Measure, AScanTakenForAMaskIsRefused) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  std::vector<float> probabilities(48, 0.25F);
  test::write_nifti(folder / "probability.nii", {.spacing = {0.5, 2, 3}, .voxels = probabilities});
  EXPECT_THROW(measure_files(files.image, folder / "probability.nii", std::nullopt), Error);
}

TEST(Measure, WithoutHounsfieldUnitsThereAreNoDensities) {
  const test::TemporaryFolder folder;
  const Files files(folder);
  const Measurements measured = measure_files(files.image, files.lesion, files.lung);
  EXPECT_FALSE(measured.density);
  EXPECT_TRUE(has_note(measured, "not_hounsfield"));
}

TEST(Measure, CountsOfARealCase) {
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
