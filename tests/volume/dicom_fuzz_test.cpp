// Damaged DICOM: whatever bytes are wrong or missing, the answer is a volume or an Error of one line. PULMOSEG_FUZZ_FILES says how
// many files are tried (150; by hand 500 and more, also in the build with sanitizers).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

/// One file of every encoding in the repository, and a made-up one.
std::vector<std::string> originals() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(test::repository_file("tests/data/volume/dicom"))) {
    if (entry.is_directory() && entry.path().filename() != "medium") folders.push_back(entry.path());
  }
  std::ranges::sort(folders);
  std::vector<std::string> files{test::ct_slice(0).bytes()};
  for (const fs::path& folder : folders) files.push_back(test::file_bytes(fs::directory_iterator(folder)->path()));
  return files;
}

std::string damaged(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
  const std::size_t kind = below(6);
  if (kind == 0) return bytes.substr(0, below(bytes.size()));
  if (kind == 1) {  // nothing but noise behind the mark
    for (std::size_t i = 132; i < bytes.size(); ++i) bytes[i] = static_cast<char>(below(256));
    return bytes;
  }
  // The header is small beside the pixels and deserves as many hits.
  const std::size_t end = kind % 2 == 0 ? std::min<std::size_t>(bytes.size(), 1500) : bytes.size();
  const std::size_t flips = 1 + below(kind < 4 ? 2 : 40);
  for (std::size_t i = 0; i < flips; ++i) bytes[132 + below(end - 132)] ^= static_cast<char>(1 << below(8));
  return bytes;
}

std::size_t wanted_files() {
  const char* const text = std::getenv("PULMOSEG_FUZZ_FILES");
  return text ? parse_number<std::size_t>(text).value_or(150) : 150;
}

/// True when it was refused.
bool volume_or_error(const fs::path& path) {
  try {
    const Volume volume = read_volume(path);
    const auto& size = volume.geometry.size;
    EXPECT_EQ(volume.voxels.size(), static_cast<std::size_t>(size[0] * size[1] * size[2]));
    return false;
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_NE(line.find(path.filename().string()), std::string::npos) << line;
    return true;
  }
}

TEST(DicomFuzz, DamagedFilesAreVolumesOrErrors) {
  const test::TemporaryFolder folder;
  const auto files = originals();
  std::mt19937 random(13);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < wanted_files(); ++i) {
    const fs::path file = folder / fmt::format("f{}.dcm", i);
    test::save(file, damaged(files[i % files.size()], random));
    refused += volume_or_error(file);
  }
  EXPECT_GT(refused, wanted_files() / 4);
  EXPECT_TRUE(volume_or_error(folder.path()));  // all of them together
}

TEST(DicomFuzz, SequencesInSequencesWithoutEnd) {
  const test::TemporaryFolder folder;
  const std::string whole = test::ct_slice(0).bytes();
  const std::size_t at = whole.find(std::string_view("\x10\0\x10\0", 4));
  std::string deep;
  for (int i = 0; i < 200000; ++i)
    deep += std::string_view("\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff", 20);
  test::save(folder / "deep.dcm", whole.substr(0, at) + deep);
  EXPECT_TRUE(volume_or_error(folder / "deep.dcm"));
}

}  // namespace
}  // namespace pulmoseg::volume
