// Damaged files: whatever byte is wrong or missing, the answer is a volume or an Error, and never more memory than the
// file can fill.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <random>
#include <string>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {

/// The largest number of bytes that this process has held so far.
[[maybe_unused]] std::size_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

void expect_volume_or_error(const std::filesystem::path& file, const std::string& bytes) {
  test::save(file, bytes);
  try {
    const Volume volume = read_volume(file);
    const auto& size = volume.geometry.size;
    EXPECT_EQ(volume.voxels.size(), static_cast<std::size_t>(size[0] * size[1] * size[2]));
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(file.filename().string()), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

class Fuzz : public testing::TestWithParam<const char*> {};

TEST_P(Fuzz, DamagedFileIsAVolumeOrAnError) {
  const test::TemporaryFolder folder;
  const std::string whole = test::file_bytes(test::repository_file("tests/data/volume") / GetParam());
  const std::size_t header = std::min<std::size_t>(whole.size(), 600);
  [[maybe_unused]] const std::size_t before = peak_memory();
  for (std::size_t length = 0; length < whole.size(); length += length < header ? 7 : 61) {
    expect_volume_or_error(folder / GetParam(), whole.substr(0, length));
  }
  for (std::size_t at = 0; at < header; ++at) {
    for (const char flip : {'\x01', '\xff'}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      expect_volume_or_error(folder / GetParam(), damaged);
    }
  }
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string damaged = whole;
    for (int n = 0; n < 4; ++n) damaged[random() % header] = static_cast<char>(random());
    expect_volume_or_error(folder / GetParam(), damaged);
  }
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(peak_memory() - before, std::size_t{64} << 20);
#endif
}

INSTANTIATE_TEST_SUITE_P(Files, Fuzz,
                         testing::Values("uint16.nii", "oblique.nii.gz", "nifti2_big_endian.nii", "ras_raw.nrrd",
                                         "lps_gzip.nrrd"),
                         [](const auto& file) {
                           std::string name = file.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace pulmoseg::volume
