#pragma once
// What the tests stand on: real CT where it is at hand, files that ship with the project, and folders that vanish.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::test {

/// The folder of development data: $PULMOSEG_DATA, or ../shared/data beside the checkout. Nothing when there is none.
std::optional<std::filesystem::path> development_data();

/// A file of the repository, e.g. repository_file("data/medseg/tr_im.nii.gz") or "tests/data/...".
std::filesystem::path repository_file(const std::filesystem::path& name);

/// The program under test.
std::filesystem::path program();

/// A new empty folder, removed with all it holds at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct ProgramResult {
  int exit_code;        ///< 128 + signal when it was killed by one
  std::string output;   ///< stdout
  std::string messages; ///< stderr
};

/// Runs the pulmoseg program with these arguments (no shell in between). Presses Ctrl-C once `interrupt_when` says so.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<bool()>& interrupt_when = {});

}  // namespace pulmoseg::test

/// First line of a test that needs the development data: skips it by name where there is none.
#define PULMOSEG_REQUIRE_DATA() \
  if (!pulmoseg::test::development_data()) GTEST_SKIP() << "needs the development data (set PULMOSEG_DATA)"
