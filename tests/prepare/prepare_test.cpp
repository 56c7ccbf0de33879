#include "pulmoseg/prepare/prepare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <string>

#include "prepare/volumes.hpp"
#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::prepare {
namespace {

namespace fs = std::filesystem;
using dataset::Dataset;
using dataset::NpyFile;
using test::counting;
using test::filled;
using test::NiftiFile;
using test::write_nifti;

PrepareOptions of_size(std::int64_t size) {
  PrepareOptions options;
  options.size = size;
  return options;
}

float largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// Every array of two datasets (or of the golden files, which are named expected_*.npy).
void expect_same_arrays(const fs::path& folder, const fs::path& expected, const std::string& prefix = "") {
  const auto images = NpyFile::open(folder / dataset::images_name),
             wanted = NpyFile::open(expected / (prefix + dataset::images_name));
  EXPECT_EQ(images.shape(), wanted.shape());
  EXPECT_LE(largest_difference(images.floats(), wanted.floats()), prefix.empty() ? 0.0F : 1e-5F);
  for (const char* name : {dataset::labels_name, dataset::lesion_masks_name, dataset::lung_masks_name}) {
    const auto array = NpyFile::open(folder / name), other = NpyFile::open(expected / (prefix + name));
    EXPECT_TRUE(std::ranges::equal(array.bytes(), other.bytes())) << name;
  }
}

TEST(Prepare, EqualsNibabelAndOpenCv) {
  // 8 volumes of 11x13x5: int16 with slope and intercept and float32, straight and oblique, in 4 axis orders.
  const fs::path golden = test::repository_file("tests/data/prepare");
  const test::TemporaryFolder folder;
  const auto info = prepare(find_cases(golden), folder / "set", of_size(8));
  EXPECT_EQ(info.cases.size(), 8U);
  expect_same_arrays(folder / "set", golden, "expected_");
}

/// `file` with its axes stored in another order, and its affine with them: stored axis a is axis order[a] of `file`.
NiftiFile reordered(const NiftiFile& file, const std::array<std::size_t, 3>& order,
                    const std::array<bool, 3>& flipped) {
  NiftiFile result = file;
  const std::array<std::size_t, 3> step{
      1, static_cast<std::size_t>(file.size[0]),
      static_cast<std::size_t>(file.size[0]) * static_cast<std::size_t>(file.size[1])};
  for (std::size_t a = 0; a < 3; ++a) {
    result.size[a] = file.size[order[a]];
    for (std::size_t row = 0; row < 3; ++row) {
      const float along = (*file.affine)[row][order[a]];
      (*result.affine)[row][a] = flipped[a] ? -along : along;
      if (flipped[a]) (*result.affine)[row][3] += along * static_cast<float>(result.size[a] - 1);
    }
  }
  std::size_t at = 0;
  const auto place = [&](std::size_t a, std::int16_t index) {
    return static_cast<std::size_t>(flipped[a] ? result.size[a] - 1 - index : index) * step[order[a]];
  };
  for (std::int16_t k = 0; k < result.size[2]; ++k) {
    for (std::int16_t j = 0; j < result.size[1]; ++j) {
      for (std::int16_t i = 0; i < result.size[0]; ++i)
        result.voxels[at++] = file.voxels[place(0, i) + place(1, j) + place(2, k)];
    }
  }
  return result;
}

TEST(Prepare, GivesTheSameArraysForAll48AxisOrders) {
  const test::TemporaryFolder folder;
  NiftiFile image = counting({9, 7, 5}), lesion = counting({9, 7, 5}), lung = counting({9, 7, 5});
  for (auto& value : image.voxels) value = std::fmod(value * 37, 101.0F);
  for (auto& value : lesion.voxels) value = std::fmod(value * 53, 7.0F) > 4 ? 2 : 0;
  for (auto& value : lung.voxels) value = std::fmod(value * 29, 5.0F) > 2;
  const std::array<std::array<float, 4>, 3> oblique{
      {{-0.68F, 0.10F, 0.3F, 12}, {-0.09F, -0.69F, 0.4F, -7}, {0.05F, 0.06F, 4.9F, 100}}};
  image.affine = lesion.affine = lung.affine = oblique;

  const auto prepare_in = [&](const std::array<std::size_t, 3>& order, const std::array<bool, 3>& flipped,
                              const fs::path& into) {
    const fs::path source = folder / "source";
    write_nifti(source / "rp_im/1.nii", reordered(image, order, flipped));
    write_nifti(source / "rp_msk/1.nii", reordered(lesion, order, flipped));
    write_nifti(source / "rp_lung_msk/1.nii", reordered(lung, order, flipped));
    auto options = of_size(6);
    options.overwrite = true;
    prepare(find_cases(source), into, options);
  };
  prepare_in({0, 1, 2}, {}, folder / "reference");
  EXPECT_EQ(Dataset::open(folder / "reference").size(), 5);
  std::array<std::size_t, 3> order{0, 1, 2};
  int orders = 0;
  do {
    for (unsigned flips = 0; flips < 8; ++flips, ++orders) {
      SCOPED_TRACE(testing::Message() << order[0] << order[1] << order[2] << " flips " << flips);
      prepare_in(order, {(flips & 1) != 0, (flips & 2) != 0, (flips & 4) != 0}, folder / "set");
      expect_same_arrays(folder / "set", folder / "reference");
    }
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(orders, 48);
}

TEST(Prepare, PutsTheLowestSliceFirstAndTheFrontOfThePatientOnTop) {
  // Stored from the head down, rows from back to front. The canonical picture of the lower slice is 0 1 / 10 11, of the
  // upper one 6 3 / 2 0.
  const test::TemporaryFolder folder;
  NiftiFile image = filled({2, 2, 2}, 0), mask = filled({2, 2, 2}, 0);
  image.affine = mask.affine = {{{-1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, -1, 0}}};
  image.voxels = {2, 0, 6, 3, 10, 11, 0, 1};
  mask.voxels = {0, 0, 0, 4, 0, 3, 0, 0};
  write_nifti(folder / "i.nii", image);
  write_nifti(folder / "m.nii", mask);
  const fs::path images[] = {folder / "i.nii"}, masks[] = {folder / "m.nii"};
  prepare(pair_cases(images, masks, {}), folder / "set", of_size(2));
  const auto dataset = Dataset::open(folder / "set");
  EXPECT_LE(largest_difference(dataset.image(0), std::vector<float>{0, 1.0F / 11, 10.0F / 11, 1}), 1e-6F);
  EXPECT_LE(largest_difference(dataset.image(1), std::vector<float>{1, 0.5F, 1.0F / 3, 0}), 1e-6F);
  EXPECT_EQ(dataset.labels(0)[3], 3);  // row 1, column 1 of the lower slice
  EXPECT_EQ(dataset.labels(1)[1], 4);  // row 0, column 1 of the upper slice
}

TEST(Prepare, RecordsCasesPatientsAndNotes) {
  const test::TemporaryFolder folder;
  for (const auto& [name, slices] : {std::pair("1", 3), {"2", 2}}) {
    const std::vector<std::int16_t> shape{4, 4, static_cast<std::int16_t>(slices)};
    write_nifti(folder / "rp_im" / (std::string(name) + ".nii"), filled(shape, 5));
    write_nifti(folder / "rp_msk" / (std::string(name) + ".nii"), filled(shape, name[0] == '1' ? 1 : 0));
  }
  write_nifti(folder / "rp_lung_msk/2.nii", filled({4, 4, 2}, 2));
  std::vector<std::string> progress;
  auto options = of_size(4);
  options.on_slice = [&](std::int64_t done, std::int64_t total, std::string_view name) {
    progress.push_back(std::to_string(done) + "/" + std::to_string(total) + " " + std::string(name));
  };
  prepare(find_cases(folder.path()), folder / "set", options);
  EXPECT_EQ(progress, (std::vector<std::string>{"1/5 1", "2/5 1", "3/5 1", "4/5 2", "5/5 2"}));

  const auto dataset = Dataset::open(folder / "set");
  EXPECT_EQ(dataset.slices()[2], (dataset::SliceRecord{2, "1", "1", 2, true, false}));
  EXPECT_EQ(dataset.slices()[3], (dataset::SliceRecord{3, "2", "2", 0, false, true}));
  EXPECT_EQ(dataset.lung_mask(2)[0], 0);
  EXPECT_EQ(dataset.lung_mask(3)[0], 1);
  EXPECT_EQ(dataset.image(0)[0], 0.0F);
  const auto& sources = dataset.info().sources;
  ASSERT_EQ(sources.size(), 2U);
  EXPECT_EQ(sources[0].notes, (std::vector<std::string>{"3 constant slices became 0", "no lung mask"}));
  EXPECT_EQ(sources[1].format, "NIfTI-1");
  EXPECT_TRUE(sources[1].grid.starts_with("4x4x2, spacing 1x1x1 mm")) << sources[1].grid;
}

TEST(Prepare, NamesSourcesWithoutTheirFolders) {
  const test::TemporaryFolder folder;
  for (const char* name : {"Eve Doe/image.nii", "Eve Doe/mask.nii"}) write_nifti(folder / name, filled({4, 4, 2}, 1));
  const fs::path images[] = {folder / "Eve Doe/image.nii"}, masks[] = {folder / "Eve Doe/../Eve Doe/mask.nii"};
  prepare(pair_cases(images, masks, masks), folder / "set", of_size(4));
  const auto info = Dataset::open(folder / "set").info();
  EXPECT_EQ(info.sources[0].image, "image.nii");
  EXPECT_EQ(info.sources[0].lesion_mask, "mask.nii");
  EXPECT_EQ(info.sources[0].lung_mask, "mask.nii");
  EXPECT_EQ(read_file(folder / "set/dataset.json").find("Eve"), std::string::npos);
}

TEST(Prepare, MakesEachUnrelatedSliceACase) {
  const test::TemporaryFolder folder;
  write_nifti(folder / "stack.nii", counting({4, 4, 11}));
  write_nifti(folder / "mask.nii", filled({4, 4, 11}, 1));
  write_nifti(folder / "single.nii", counting({4, 4}));
  write_nifti(folder / "single_mask.nii", filled({4, 4}, 0));
  const fs::path images[] = {folder / "stack.nii", folder / "single.nii"},
                 masks[] = {folder / "mask.nii", folder / "single_mask.nii"};
  auto options = of_size(4);
  options.unrelated_slices = true;
  prepare(pair_cases(images, masks, {}), folder / "set", options);
  const auto dataset = Dataset::open(folder / "set");
  ASSERT_EQ(dataset.size(), 12);
  EXPECT_TRUE(dataset.info().unrelated_slices);
  EXPECT_EQ(dataset.info().cases.size(), 12U);
  EXPECT_EQ(dataset.slices()[10], (dataset::SliceRecord{10, "stack_011", "stack_011", 10, true, false}));
  EXPECT_EQ(dataset.slices()[11].case_name, "single_001");

  const std::vector<CaseSource> clash{{"a", "a", folder / "stack.nii", folder / "mask.nii", {}},
                                      {"a", "a", folder / "single.nii", folder / "single_mask.nii", {}}};
  EXPECT_THROW(prepare(clash, folder / "clash", options), Error);
}

TEST(Prepare, BringsMasksOntoTheGridOfTheirImage) {
  const test::TemporaryFolder folder;
  write_nifti(folder / "i.nii", counting({8, 8, 2}));
  NiftiFile cropped = filled({2, 3, 1}, 5);  // voxels (2..3, 4..6, 1) of the image
  cropped.affine = {{{-1, 0, 0, -2}, {0, -1, 0, -4}, {0, 0, 1, 1}}};
  write_nifti(folder / "m.nii", cropped);
  NiftiFile unplaced = filled({8, 8, 2}, 1);
  unplaced.with_geometry = false;
  write_nifti(folder / "l.nii", unplaced);
  const fs::path images[] = {folder / "i.nii"}, masks[] = {folder / "m.nii"}, lungs[] = {folder / "l.nii"};
  const auto info = prepare(pair_cases(images, masks, lungs), folder / "set", of_size(8));
  const auto dataset = Dataset::open(folder / "set");
  for (std::int64_t k = 0; k < 2; ++k) {
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_EQ(dataset.labels(k)[8 * j + i], (k == 1 && j >= 4 && j < 7 && i >= 2 && i < 4) ? 5 : 0) << k << j << i;
      }
    }
    EXPECT_EQ(std::ranges::count(dataset.lung_mask(k), 1), 64);
  }
  EXPECT_EQ(info.sources[0].notes,
            (std::vector<std::string>{
                "lesion mask: resampled onto the image's grid",
                "lung mask: taken voxel by voxel, because only one of the two headers declares a position"}));
}

TEST(Prepare, TakesAMaskStoredInAnotherAxisOrderThanItsImage) {
  const test::TemporaryFolder folder;
  write_nifti(folder / "i.nii", counting({4, 5, 3}));
  NiftiFile mask = filled({4, 5, 3}, 0);
  mask.voxels[1 + 4 * 2 + 20 * 2] = 9;
  write_nifti(folder / "m.nii", reordered(mask, {2, 0, 1}, {true, false, true}));
  const fs::path images[] = {folder / "i.nii"}, masks[] = {folder / "m.nii"};
  const auto info = prepare(pair_cases(images, masks, {}), folder / "set", of_size(20));
  const auto dataset = Dataset::open(folder / "set");
  EXPECT_EQ(dataset.labels(2)[20 * (2 * 4 + 1) + (1 * 5 + 1)], 9);
  EXPECT_EQ(std::ranges::count(dataset.labels(2), 9), 4 * 5);
  EXPECT_EQ(info.sources[0].notes, std::vector<std::string>{"no lung mask"});
}

TEST(Prepare, WritesTheSameBytesTwice) {
  const fs::path golden = test::repository_file("tests/data/prepare");
  const test::TemporaryFolder folder;
  for (const char* name : {"a", "b"}) prepare(find_cases(golden), folder / name, of_size(8));
  for (const auto& entry : fs::directory_iterator(folder / "a")) {
    EXPECT_EQ(read_file(entry.path()), read_file(folder / "b" / entry.path().filename())) << entry.path();
  }
}

TEST(Prepare, StopsOnRequestAndLeavesNothing) {
  const test::TemporaryFolder folder;
  std::stop_source stop;
  auto options = of_size(8);
  options.stop = stop.get_token();
  options.on_slice = [&](std::int64_t done, std::int64_t, std::string_view) {
    if (done == 7) stop.request_stop();
    EXPECT_LE(done, 7);
  };
  EXPECT_THROW(prepare(find_cases(test::repository_file("tests/data/prepare")), folder / "set", options), Interrupted);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(PrepareRealData, ReadsTheUnrelatedSlicesOfTheRepository) {
  const fs::path data = test::repository_file("data/medseg");
  if (!fs::exists(data)) GTEST_SKIP() << "needs data/medseg";
  const test::TemporaryFolder folder;
  const fs::path images[] = {data / "tr_im.nii.gz"}, masks[] = {data / "tr_mask.nii.gz"};
  PrepareOptions options;
  options.unrelated_slices = true;
  prepare(pair_cases(images, masks, {}), folder / "set", options);
  const auto dataset = Dataset::open(folder / "set");
  EXPECT_EQ(dataset.size(), 36);
  EXPECT_EQ(dataset.rows(), 256);
  std::array<bool, 256> found{};
  for (std::int64_t row = 0; row < 36; ++row) {
    for (const auto label : dataset.labels(row)) found[label] = true;
    EXPECT_EQ(std::ranges::min(dataset.image(row)), 0.0F);
    EXPECT_EQ(std::ranges::max(dataset.image(row)), 1.0F);
  }
  for (std::size_t label = 0; label < found.size(); ++label) EXPECT_EQ(found[label], label <= 3) << label;
}

TEST(PrepareRealData, ReadsTheTwentyVolumeSet) {
  PULMOSEG_REQUIRE_DATA("covid20");
  const test::TemporaryFolder folder;
  prepare(find_cases(test::development_data("covid20")), folder / "set", {});
  const auto dataset = Dataset::open(folder / "set");
  EXPECT_EQ(dataset.size(), 1266);
  EXPECT_EQ(dataset.info().cases.size(), 16U);
  std::set<std::string> patients;
  for (const auto& slice : dataset.slices()) {
    patients.insert(slice.patient);
    EXPECT_TRUE(slice.has_lesion && slice.has_lung_mask);
  }
  EXPECT_EQ(patients.size(), 14U);
}

}  // namespace
}  // namespace pulmoseg::prepare
