#include "pulmoseg/base/output_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(OutputFile, AppearsOnlyWithCommit) {
  const test::TemporaryFolder folder;
  const auto path = folder / "figures é .json";
  {
    OutputFile file(path);
    file.write("half");
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_EQ(files_in(folder.path()), 0u);
  write_file(path, "whole");
  EXPECT_EQ(read_file(path), "whole");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(OutputFile, KeepsTheOlderFileWithoutCommit) {
  const test::TemporaryFolder folder;
  write_file(folder / "a", "old");
  { OutputFile(folder / "a").write("new"); }
  EXPECT_EQ(read_file(folder / "a"), "old");
}

TEST(OutputFile, FillsEarlierBytes) {
  const test::TemporaryFolder folder;
  OutputFile file(folder / "a");
  file.write("????body");
  file.write_at(0, std::as_bytes(std::span("head", 4)));
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "headbody");
}

TEST(OutputFile, TakesTheNameThatItsContentGives) {
  const test::TemporaryFolder folder;
  OutputFile file(folder / "arriving");
  file.write("b");
  file.commit_as(folder / "b");
  EXPECT_EQ(read_file(folder / "b"), "b");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(OutputFile, NamesTheFileAndTheReason) {
  const test::TemporaryFolder folder;
  try {
    write_file(folder / "missing/a.json", "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), (folder / "missing/a.json").string() + ": cannot be written: No such file or directory");
  }
}

/// A limit on the size of files stands in for a disk that runs full: the same system call fails.
TEST(OutputFile, LeavesNothingOnAFullDisk) {
  const test::TemporaryFolder folder;
  write_file(folder / "a", "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_file(folder / "a", std::string(10000, 'x')), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(ReadFile, RefusesAFolderAndAMissingFile) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(read_file(folder.path()), Error);
  EXPECT_THROW(read_file(folder / "nothing"), Error);
}

TEST(FolderLock, IsHeldByOneRunAtATime) {
  const test::TemporaryFolder folder;
  {
    const FolderLock lock(folder / "run");
    try {
      const FolderLock second(folder / "run");
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), (folder / "run").string() +
                                  ": is in use by another run of pulmoseg; wait for it or choose another folder");
    }
  }
  EXPECT_EQ(files_in(folder / "run"), 0u);
  EXPECT_NO_THROW(FolderLock(folder / "run"));
}

TEST(FolderLock, IsSharedByThoseWithPartsOfTheirOwn) {
  const test::TemporaryFolder folder;
  {
    const FolderLock one(folder.path(), "1-of-2"), two(folder.path(), "2-of-2");
    EXPECT_THROW(FolderLock(folder.path(), "1-of-2"), FolderInUse);
    EXPECT_THROW(FolderLock(folder.path()), FolderInUse);
  }
  const FolderLock whole(folder.path());
  EXPECT_THROW(FolderLock(folder.path(), "1-of-2"), FolderInUse);
}

TEST(FolderLock, KeepsOutPartsThatOverlap) {
  const test::TemporaryFolder folder;
  const auto overlaps_left = [](const std::string& other) { return other == "left"; };
  {
    const FolderLock left(folder.path(), "left"), right(folder.path(), "right");
    EXPECT_THROW(FolderLock(folder.path(), "middle", overlaps_left), FolderInUse);
    EXPECT_EQ(files_in(folder.path()), 3u) << "whoever is refused leaves nothing";
    EXPECT_THROW(FolderLock(folder.path(), "left", overlaps_left), FolderInUse);
    EXPECT_NO_THROW(FolderLock(folder.path(), "middle", [](const std::string&) { return false; }));
  }
  write_file(folder / ".pulmoseg-left.lock", "");  // as a killed process leaves it
  EXPECT_NO_THROW(FolderLock(folder.path(), "middle", overlaps_left));
}

TEST(FolderLock, IsNotFreeWhileOneOfThoseThatShareItIsLeft) {
  const test::TemporaryFolder folder;
  const FolderLock one(folder.path(), "1-of-2");
  { const FolderLock two(folder.path(), "2-of-2"); }
  EXPECT_THROW(FolderLock(folder.path()), FolderInUse);
}

}  // namespace
}  // namespace pulmoseg
