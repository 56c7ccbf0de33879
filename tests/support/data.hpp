#pragma once
// What the tests stand on: real CT where it is at hand, files that ship with the project, and folders that vanish.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace pulmoseg::test {

/// A file or folder of the development data, which lies at $PULMOSEG_DATA or ../shared/data beside the checkout, e.g.
/// development_data("hu/ct-64.nrrd"). It may be missing.
std::filesystem::path development_data(const std::filesystem::path& name);

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
  int exit_code;         ///< 128 + signal when it was killed by one
  std::string output;    ///< stdout
  std::string messages;  ///< stderr
};

/// Runs the pulmoseg program with these arguments (no shell in between). Presses Ctrl-C once `interrupt_when` says so.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<bool()>& interrupt_when = {});

}  // namespace pulmoseg::test

/// First line of a test that needs this file or folder of the development data: skips it by name where that is missing.
#define PULMOSEG_REQUIRE_DATA(name)                                     \
  if (!std::filesystem::exists(pulmoseg::test::development_data(name))) \
  GTEST_SKIP() << "needs " << pulmoseg::test::development_data(name).string() << " (set PULMOSEG_DATA)"
