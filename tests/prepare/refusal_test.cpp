// What prepare refuses: one line that names the file, what was found and what was expected, and nothing left behind.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <string>

#include "prepare/volumes.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/prepare/prepare.hpp"
#include "support/data.hpp"

namespace pulmoseg::prepare {
namespace {

namespace fs = std::filesystem;
using test::counting;
using test::filled;
using test::NiftiFile;
using test::write_nifti;

/// One good case of 4x4x3, to be spoiled.
class RefusedCase : public testing::Test {
 protected:
  RefusedCase() {
    write_nifti(folder_ / "image.nii", counting({4, 4, 3}));
    write_nifti(folder_ / "mask.nii", filled({4, 4, 3}, 1));
    write_nifti(folder_ / "lung.nii", filled({4, 4, 3}, 1));
  }

  void run() {
    const std::vector<CaseSource> cases{
        {"case", "patient", folder_ / "image.nii", folder_ / "mask.nii", folder_ / "lung.nii"}};
    PrepareOptions options;
    options.size = 4;
    prepare(cases, folder_ / "set", options);
  }

  void expect_error(std::initializer_list<std::string_view> parts) {
    try {
      run();
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      const std::string message = error.what();
      for (const auto part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
    EXPECT_FALSE(fs::exists(folder_ / "set"));
  }

  test::TemporaryFolder folder_;
};

TEST_F(RefusedCase, IsAcceptedUnspoiled) { EXPECT_NO_THROW(run()); }

TEST_F(RefusedCase, WithoutAFile) {
  fs::remove(folder_ / "lung.nii");
  expect_error({"lung.nii"});
}

TEST_F(RefusedCase, ThatIsEmptyTruncatedOrNoImage) {
  write_file(folder_ / "image.nii", "");
  expect_error({"image.nii", "empty"});
  write_file(folder_ / "image.nii", "These are not the voxels that you are looking for.");
  expect_error({"image.nii"});
  write_nifti(folder_ / "image.nii", counting({4, 4, 3}));
  fs::resize_file(folder_ / "image.nii", 400);
  expect_error({"image.nii"});
}

TEST_F(RefusedCase, OfOtherDimensions) {
  write_nifti(folder_ / "image.nii", counting({4, 4}));
  expect_error({"image.nii: is 2-D where 3-D is needed"});
  write_nifti(folder_ / "image.nii", counting({4, 4, 3, 2}));
  expect_error({"image.nii"});
  write_nifti(folder_ / "image.nii", counting({4, 4, 3, 1}));  // one frame is a volume
  EXPECT_NO_THROW(run());
}

TEST_F(RefusedCase, WithVoxelsThatAreNoNumbers) {
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    NiftiFile image = counting({4, 4, 3});
    image.voxels[20] = bad;
    write_nifti(folder_ / "image.nii", image);
    expect_error({"image.nii", "slice 1"});
  }
}

TEST_F(RefusedCase, WithZeroSpacing) {
  NiftiFile image = counting({4, 4, 3});
  for (auto& row : *image.affine) row[0] = 0;
  write_nifti(folder_ / "image.nii", image);
  expect_error({"image.nii"});
}

TEST_F(RefusedCase, WithAMaskOfAnotherSize) {
  NiftiFile mask = filled({5, 4, 3}, 1);
  mask.with_geometry = false;
  write_nifti(folder_ / "mask.nii", mask);
  expect_error({"mask.nii: is 5x4x3", "image.nii", "4x4x3"});
  mask.with_geometry = true;  // its last column lies outside of the image
  write_nifti(folder_ / "mask.nii", mask);
  expect_error({"mask.nii: is 5x4x3", "4x4x3", "outside"});
}

TEST_F(RefusedCase, WithLabelsThatAreNoLabels) {
  for (const auto& [value, text] : {std::pair(0.5F, "0.5"), {-1.0F, "-1"}, {256.0F, "256"}}) {
    for (const char* name : {"mask.nii", "lung.nii"}) {
      NiftiFile mask = filled({4, 4, 3}, 1);
      mask.voxels[40] = value;
      write_nifti(folder_ / name, mask);
      expect_error(
          {name, ": slice 2 holds the value ", text, ", expected labels that are whole numbers from 0 to 255"});
      write_nifti(folder_ / name, filled({4, 4, 3}, 255));
    }
  }
  EXPECT_NO_THROW(run());
}

TEST_F(RefusedCase, OnAFullDisk) {
  // A limit on the size of files stands in for the end of the disk: the write fails in the same place.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 200, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error({"set/images.npy: cannot be written: File too large"});
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

TEST_F(RefusedCase, IntoAFile) {
  write_file(folder_ / "set", "a file");
  EXPECT_THROW(run(), Error);
  EXPECT_EQ(read_file(folder_ / "set"), "a file");
}

TEST_F(RefusedCase, IntoAFolderInUse) {
  const FolderLock lock(folder_ / "set");
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("set: is in use by another run of pulmoseg"), std::string::npos)
        << error.what();
  }
}

TEST_F(RefusedCase, OverADatasetThatIsThere) {
  run();
  const std::string before = read_file(folder_ / "set/dataset.json");
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--overwrite"), std::string::npos) << error.what();
  }
  EXPECT_EQ(read_file(folder_ / "set/dataset.json"), before);
}

}  // namespace
}  // namespace pulmoseg::prepare
