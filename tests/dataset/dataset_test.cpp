#include "pulmoseg/dataset/dataset.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "dataset/small_dataset.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

namespace fs = std::filesystem;
using test::write_small_dataset;

const std::vector<test::SmallCase> two_cases{{"a", "patient 1", 3}, {"b, \"the second\"", "patient 2", 2}};

std::string message_of(const fs::path& folder) {
  try {
    Dataset::open(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "opened";
}

void expect_refused(const fs::path& folder, std::string_view reason) {
  const std::string message = message_of(folder);
  EXPECT_NE(message.find(reason), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = read_file(file);
  ASSERT_NE(text.find(from), std::string::npos) << file;
  text.replace(text.find(from), from.size(), to);
  write_file(file, text);
}

TEST(Dataset, ReadsBackWhatWasWritten) {
  const test::TemporaryFolder folder;
  write_small_dataset(folder / "set", two_cases);
  const auto dataset = Dataset::open(folder / "set");
  EXPECT_EQ(dataset.size(), 5);
  EXPECT_EQ(dataset.rows(), 4);
  EXPECT_EQ(dataset.columns(), 4);
  for (std::int64_t row = 0; row < 5; ++row) {
    EXPECT_EQ(dataset.image(row)[7], static_cast<float>(row) / 100);
    EXPECT_EQ(dataset.labels(row)[0], row % 3);
    EXPECT_EQ(dataset.lesion_mask(row)[0], row % 3 != 0);
    EXPECT_EQ(dataset.lesion_mask(row).size(), 16U);
    EXPECT_EQ(dataset.lung_mask(row)[0], 0);
  }
  EXPECT_EQ(dataset.slices()[4], (SliceRecord{4, "b, \"the second\"", "patient 2", 1, true, false}));
  EXPECT_FALSE(dataset.slices()[3].has_lesion);
  ASSERT_EQ(dataset.info().cases.size(), 2U);
  EXPECT_EQ(dataset.info().cases[0].slices, 3);
  EXPECT_EQ(dataset.info().cases[0].slices_with_lesion, 2);
  EXPECT_EQ(dataset.info().cases[0].lesion_pixels, 2);
  EXPECT_EQ(dataset.info().preprocessing.size, 4);
  EXPECT_TRUE(dataset.info().producer.starts_with("pulmoseg "));
  EXPECT_THROW((void)dataset.image(5), std::out_of_range);
  EXPECT_THROW((void)dataset.image(-1), std::out_of_range);
}

TEST(Dataset, KeepsWhatItSaysAboutItsSources) {
  const test::TemporaryFolder folder;
  {
    DatasetWriter writer(folder / "set", {.preprocessing = {.size = 1}, .overwrite = false});
    writer.add_slice("a", "a", 0, true);
    writer.write_image(0, std::vector<float>{1});
    writer.write_labels(0, std::vector<std::uint8_t>{7});
    writer.write_lung_mask(0, std::vector<std::uint8_t>{3});
    DatasetInfo info;
    info.unrelated_slices = true;
    info.sources = {{.image = "scan \xFF.nii",
                     .lesion_mask = "m.nii",
                     .lung_mask = "",
                     .format = "NIfTI-1",
                     .grid = "1x1x1",
                     .slices = 1,
                     .notes = {"no lung mask"}}};
    writer.commit(info);
  }
  const auto dataset = Dataset::open(folder / "set");
  EXPECT_EQ(dataset.labels(0)[0], 7);
  EXPECT_EQ(dataset.lesion_mask(0)[0], 1);
  EXPECT_EQ(dataset.lung_mask(0)[0], 1);
  EXPECT_TRUE(dataset.slices()[0].has_lung_mask);
  EXPECT_TRUE(dataset.info().unrelated_slices);
  ASSERT_EQ(dataset.info().sources.size(), 1U);
  EXPECT_EQ(dataset.info().sources[0].image, "scan \xEF\xBF\xBD.nii");  // JSON is UTF-8
  EXPECT_EQ(dataset.info().sources[0].lung_mask, "");
  EXPECT_EQ(dataset.info().sources[0].notes, std::vector<std::string>{"no lung mask"});
}

TEST(Dataset, HasAFingerprintOfItsSlicesOnly) {
  const test::TemporaryFolder folder;
  write_small_dataset(folder / "set", two_cases);
  write_small_dataset(folder / "larger", two_cases, 8);
  write_small_dataset(folder / "other", {{"a", "patient 1", 3}, {"c", "patient 2", 2}});
  const auto fingerprint = Dataset::open(folder / "set").fingerprint();
  EXPECT_EQ(fingerprint.size(), 16U);
  EXPECT_EQ(fingerprint, Dataset::open(folder / "larger").fingerprint());
  EXPECT_NE(fingerprint, Dataset::open(folder / "other").fingerprint());
}

TEST(Dataset, RefusesAFolderThatIsNone) {
  const test::TemporaryFolder folder;
  expect_refused(folder / "none", "is not a folder, expected a dataset");
  expect_refused(folder.path(), "holds no dataset.json");
  for (const char* name : {info_name, slices_name, images_name, lesion_masks_name, labels_name, lung_masks_name}) {
    const fs::path set = folder / std::string("without ").append(name);
    write_small_dataset(set, two_cases);
    fs::remove(set / name);
    expect_refused(set, std::string("holds no ").append(name));
  }
}

TEST(Dataset, RefusesFilesThatDisagree) {
  const test::TemporaryFolder folder;
  auto fresh = [&, number = 0]() mutable {
    const fs::path set = folder / std::to_string(number++);
    write_small_dataset(set, two_cases);
    return set;
  };
  auto set = fresh();
  fs::resize_file(set / images_name, fs::file_size(set / images_name) - 1);
  expect_refused(set, "images.npy: holds 319 bytes of values, expected 320 for shape (5, 4, 4)");

  set = fresh();
  fs::copy_file(set / labels_name, set / images_name, fs::copy_options::overwrite_existing);
  expect_refused(set, "images.npy: holds uint8, expected float32");

  set = fresh();
  fs::copy_file(set / images_name, set / lung_masks_name, fs::copy_options::overwrite_existing);
  expect_refused(set, "lung_masks.npy: holds float32, expected uint8");

  set = fresh();
  write_small_dataset(folder / "small", two_cases, 2);
  fs::copy_file(folder / "small" / labels_name, set / labels_name, fs::copy_options::overwrite_existing);
  expect_refused(set, "labels.npy: has shape (5, 2, 2), expected (5, 4, 4) as slices.csv and dataset.json say");

  set = fresh();
  replace_in(set / slices_name, "4,\"b, \"\"the second\"\"\",patient 2,1,1,0\n", "");
  expect_refused(set, "images.npy: has shape (5, 4, 4), expected (4, 4, 4)");

  set = fresh();
  replace_in(set / slices_name, "2,a,", "2,c,");
  expect_refused(set, "slices.csv: has 2 slices of case a, expected 3 as dataset.json says");

  set = fresh();
  replace_in(set / slices_name, "1,a,", "2,a,");
  expect_refused(set, "slices.csv: row 1 says row = '2', expected 1");

  set = fresh();
  replace_in(set / slices_name, "1,1,0\n", "1,yes,0\n");
  expect_refused(set, "says has_lesion = 'yes', expected 0 or 1");

  set = fresh();
  replace_in(set / slices_name, "has_lesion", "lesion");
  expect_refused(set, "expected one named has_lesion");
}

TEST(Dataset, RefusesAnotherSchema) {
  const test::TemporaryFolder folder;
  write_small_dataset(folder / "set", two_cases);
  replace_in(folder / "set" / info_name, "pulmoseg.dataset/1", "pulmoseg.dataset/9");
  expect_refused(folder / "set", "has schema pulmoseg.dataset/9, expected pulmoseg.dataset/1");
  write_file(folder / "set" / info_name, "{ not json");
  expect_refused(folder / "set", "dataset.json: is not what pulmoseg prepare writes");
  write_file(folder / "set" / info_name, R"({"schema": "pulmoseg.dataset/1"})");
  expect_refused(folder / "set", "dataset.json: is not what pulmoseg prepare writes");
}

TEST(DatasetWriter, LeavesNothingWithoutCommit) {
  const test::TemporaryFolder folder;
  {
    DatasetWriter writer(folder / "new" / "deeper", {});
    writer.add_slice("a", "a", 0, false);
    EXPECT_TRUE(fs::exists(folder / "new" / "deeper"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));

  // A folder that was there stays, with what it holds.
  fs::create_directory(folder / "mine");
  write_file(folder / "mine/notes.txt", "keep");
  { DatasetWriter writer(folder / "mine", {}); }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "mine"), {}), 1);
}

TEST(DatasetWriter, ReplacesADatasetOnlyWhenAsked) {
  const test::TemporaryFolder folder;
  write_small_dataset(folder / "set", two_cases);
  try {
    DatasetWriter writer(folder / "set", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("holds a dataset already"), std::string::npos) << error.what();
  }
  {
    DatasetWriter unfinished(folder / "set", {.preprocessing = {.size = 2}, .overwrite = true});
    unfinished.add_slice("x", "x", 0, false);
  }
  EXPECT_EQ(Dataset::open(folder / "set").size(), 5);  // untouched
  {
    DatasetWriter writer(folder / "set", {.preprocessing = {.size = 1}, .overwrite = true});
    writer.add_slice("x", "x", 0, false);
    writer.write_image(0, std::vector<float>{0});
    writer.write_labels(0, std::vector<std::uint8_t>{0});
    writer.commit({});
  }
  EXPECT_EQ(Dataset::open(folder / "set").size(), 1);
}

TEST(DatasetWriter, KeepsASecondRunOut) {
  const test::TemporaryFolder folder;
  DatasetWriter writer(folder / "set", {});
  try {
    DatasetWriter second(folder / "set", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is in use by another run"), std::string::npos) << error.what();
  }
}

TEST(DatasetWriter, ClearsAwayWhatAKilledRunLeft) {
  const test::TemporaryFolder folder;
  fs::create_directory(folder / "set");
  write_file(folder / "set/.partial-77-images.npy", "half");
  write_file(folder / "set/.partial-77-other.txt", "not ours");
  write_small_dataset(folder / "set", two_cases);
  EXPECT_FALSE(fs::exists(folder / "set/.partial-77-images.npy"));
  EXPECT_TRUE(fs::exists(folder / "set/.partial-77-other.txt"));
}

TEST(DatasetWriter, RefusesADatasetWithoutSlicesOrWithAHole) {
  const test::TemporaryFolder folder;
  {
    DatasetWriter writer(folder / "set", {.preprocessing = {.size = 1}, .overwrite = false});
    EXPECT_THROW(writer.commit({}), Error);
    writer.add_slice("a", "a", 0, false);
    writer.write_image(0, std::vector<float>{0});
    EXPECT_THROW(writer.commit({}), Error);  // no labels
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace pulmoseg::dataset
