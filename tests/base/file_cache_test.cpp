#include "pulmoseg/base/file_cache.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;

void keep(const FileCache& cache, const std::string& key, const std::string& text) {
  cache.keep(key, [&](std::ostream& stream) { stream << text; });
}

/// "nothing" where it is not kept.
std::string kept(const FileCache& cache, const std::string& key) {
  std::string text = "nothing";
  cache.find(key, [&](std::istream& stream) { return static_cast<bool>(std::getline(stream, text, '\0')); });
  return text;
}

TEST(FileCache, GivesBackWhatWasKept) {
  const test::TemporaryFolder folder;
  const FileCache cache(folder / "made/when needed", 1000);
  EXPECT_EQ(kept(cache, "a"), "nothing");
  keep(cache, "a", "first\nsecond");
  EXPECT_EQ(kept(cache, "a"), "first\nsecond");
  EXPECT_EQ(kept(FileCache(folder / "made/when needed", 1000), "a"), "first\nsecond");
  keep(cache, "a", "other");
  EXPECT_EQ(kept(cache, "a"), "other");
  EXPECT_EQ(kept(cache, "b"), "nothing");
}

TEST(FileCache, KeepsThoseThatWereUsedLast) {
  const test::TemporaryFolder folder;
  const FileCache cache(folder.path(), 8);  // a key of one letter, a line end and a letter: three bytes
  keep(cache, "a", "A");
  keep(cache, "b", "B");
  write_file(folder / ".partial-1-c.kept", "another process is at it");
  for (const auto& entry : fs::directory_iterator(folder.path()))  // all of an hour ago
    fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(kept(cache, "a"), "A");
  keep(cache, "c", "C");
  EXPECT_EQ(kept(cache, "a"), "A");
  EXPECT_EQ(kept(cache, "b"), "nothing");
  EXPECT_EQ(kept(cache, "c"), "C");
  EXPECT_FALSE(fs::exists(folder / ".partial-1-c.kept")) << "of an hour ago: nobody is at it";
  write_file(folder / ".partial-1-c.kept", "another process is at it");
  keep(cache, "d", "D");
  EXPECT_TRUE(fs::exists(folder / ".partial-1-c.kept"));
}

TEST(FileCache, AFileOfAnotherKeyIsNotTaken) {
  const test::TemporaryFolder folder;
  const FileCache cache(folder.path(), 1000);
  keep(cache, "a", "A");
  const fs::path file = fs::directory_iterator(folder.path())->path();
  write_file(file, "another key of the same hash\nB");
  EXPECT_EQ(kept(cache, "a"), "nothing");
}

TEST(FileCache, WhatCannotBeKeptIsNoError) {
  const test::TemporaryFolder folder;
  write_file(folder / "file", "");
  for (const FileCache& cache :
       {FileCache(folder / "file", 1000), FileCache("", 1000), FileCache("/proc/nowhere", 1000)}) {
    keep(cache, "a", "A");
    EXPECT_EQ(kept(cache, "a"), "nothing");
  }
}

TEST(RemoveUnfinished, TakesTheNamedOnes) {
  const test::TemporaryFolder folder;
  for (const char* name :
       {".partial-12-a.nii.gz", ".partial-7-b-c.nii", ".partial-12-other", "a.nii.gz", ".partial-a.nii.gz"})
    write_file(folder / name, "");
  remove_unfinished(folder.path(), [](const std::string& name) { return name == "a.nii.gz" || name == "b-c.nii"; });
  EXPECT_FALSE(fs::exists(folder / ".partial-12-a.nii.gz"));
  EXPECT_FALSE(fs::exists(folder / ".partial-7-b-c.nii"));
  EXPECT_TRUE(fs::exists(folder / ".partial-12-other"));
  EXPECT_TRUE(fs::exists(folder / "a.nii.gz"));
  remove_unfinished(folder.path());
  EXPECT_FALSE(fs::exists(folder / ".partial-12-other"));
  EXPECT_TRUE(fs::exists(folder / "a.nii.gz"));
}

}  // namespace
}  // namespace pulmoseg
