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
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "support/zip.hpp"
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

TEST(DicomFuzz, FilesOfAFewBytes) {
  const test::TemporaryFolder folder;
  const std::string whole = test::ct_slice(0).bytes();
  for (std::size_t size = 0; size < 150; ++size) {
    for (const char* uid : {"", "1.2.840.10008.1.2.1.99"}) {
      test::save(folder / "f.dcm", std::string(uid).append(whole.substr(std::string_view(uid).size())).substr(0, size));
      EXPECT_TRUE(volume_or_error(folder / "f.dcm")) << size;
    }
  }
}

TEST(DicomFuzz, DamagedDicomdirsAreVolumesOrErrors) {
  const test::TemporaryFolder folder;
  fs::copy(test::repository_file("tests/data/volume/dicom/medium"), folder.path(), fs::copy_options::recursive);
  const std::string original = test::file_bytes(folder / "DICOMDIR");
  std::mt19937 random(13);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < wanted_files(); ++i) {
    test::save(folder / "DICOMDIR", damaged(original, random));
    const std::string error = test::reading_error(folder / "DICOMDIR");
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    refused += !error.empty();
  }
  EXPECT_GT(refused, wanted_files() / 4);
}

/// DCMTK throws at this one.
TEST(DicomFuzz, ADirectoryRecordWhoseTypeIsTooLong) {
  const test::TemporaryFolder folder;
  std::string bytes = test::file_bytes(test::repository_file("tests/data/volume/dicom/medium/DICOMDIR"));
  const std::size_t type =
      bytes.find(std::string_view("\4\0\x30\x14"
                                  "CS\x8\0PATIENT ",
                                  16));
  ASSERT_NE(type, std::string::npos);
  bytes[type + 7] = 1;
  test::save(folder / "DICOMDIR", bytes);
  EXPECT_CONTAINS(test::reading_error(folder / "DICOMDIR"), "DICOMDIR: is cut short or damaged, expected ");
}

/// Refused for `reason` when such bytes stand before the patient.
void expect_refused(std::string_view bytes, const std::string& reason) {
  const test::TemporaryFolder folder;
  const std::string whole = test::ct_slice(0).bytes();
  const std::size_t at = whole.find(std::string_view("\x10\0\x10\0", 4));
  test::save(folder / "f.dcm", whole.substr(0, at).append(bytes) + whole.substr(at));
  EXPECT_TRUE(
      test::reading_error(folder / "f.dcm").starts_with((folder / "f.dcm").string() + ": " + reason + ", expected "));
}

std::string repeated(std::string_view bytes, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += bytes;
  return all;
}

constexpr std::string_view sequence("\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff", 12),
    item("\xfe\xff\0\xe0\xff\xff\xff\xff", 8);

/// However they lie about where they end.
TEST(DicomFuzz, SequencesInSequencesWithoutEnd) {
  const std::string plain = std::string(sequence).append(item);
  const std::string short_item = std::string(sequence) + std::string("\xfe\xff\0\xe0\x0c\0\0\0", 8);
  const std::string ends_in_a_value = std::string("\x08\0\x3e\x10LO\x08\0\xfe\xff\x0d\xe0\0\0\0\0", 16) + plain;
  for (const auto& level : {plain, short_item, ends_in_a_value})
    expect_refused(repeated(level, 200000), "holds sequences in sequences without end");
}

/// Without the mark of DICOM it is any file that begins so.
TEST(DicomFuzz, WhatOnlyLooksLikeDicomIsLeftAside) {
  const test::TemporaryFolder folder;
  test::write_ct_series(folder.path(), 3);
  test::save(folder / "data.bin", repeated(std::string(sequence).append(item), 200000));
  EXPECT_EQ(test::reading_error(folder.path()), "");
}

TEST(DicomFuzz, ElementsWithoutEnd) {
  const std::string_view empty_element("\x08\0\x3e\x10LO\0\0", 8);
  const std::string items =
      repeated(std::string(item).append(empty_element).append("\xfe\xff\x0d\xe0\0\0\0\0", 8), 2000000);
  expect_refused(std::string(sequence) + items, "has millions of elements");
}

TEST(DicomFuzz, ADeflatedFileThatWouldTakeAllMemory) {
  const test::TemporaryFolder folder;
  auto file = test::ct_slice(0).remove(0x7fe00010);
  const std::string pixels("\xe0\x7f\x10\0OW\0\0\0\0\0\xff", 12);  // of nearly 4 GiB
  const std::string zeros = test::deflated_part(std::string(1 << 20, '\0'));
  const std::string packed = test::deflated_part(file.data_set() + pixels) + repeated(zeros, 4000) + test::deflate_end;
  EXPECT_LT(packed.size(), 5U << 20);
  test::save(folder / "bomb.dcm", file.head("1.2.840.10008.1.2.1.99") + packed);
  EXPECT_CONTAINS(test::reading_error(folder / "bomb.dcm"), "bomb.dcm: unpacks to 1 GiB or more, expected ");
}

}  // namespace
}  // namespace pulmoseg::volume
