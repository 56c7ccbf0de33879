// A series in a ZIP: whatever its files are called, and what is refused.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "pulmoseg/volume/volume.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "support/zip.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

class Zip : public testing::Test {
 protected:
  /// In the temporary folder while this test runs.
  Zip() {
    fs::create_directories(folder_ / "tmp");
    setenv("TMPDIR", (folder_ / "tmp").c_str(), 1);
  }
  ~Zip() override { unsetenv("TMPDIR"); }
  bool temporary_folder_is_empty() const { return fs::is_empty(folder_ / "tmp"); }
  fs::path zip(const std::vector<std::pair<std::string, std::string>>& files, const test::ZipOptions& options = {}) {
    test::save(folder_ / "study.zip", test::zip_bytes(files, options));
    return folder_ / "study.zip";
  }

  test::TemporaryFolder folder_;
};

TEST_F(Zip, IsReadAndItsFilesStayAsLongAsTheyAreNeeded) {
  std::vector<std::pair<std::string, std::string>> files{{"__MACOSX/._x", "x"}, {"readme.txt", "hello"}};
  for (int n = 0; n < 4; ++n) files.emplace_back("study/ser/" + test::ct_slice_name(n), test::ct_slice(n).bytes());
  {
    VolumeReader reader = VolumeReader::open(zip(files));
    const SourceInfo source = reader.source();
    EXPECT_EQ(source.file, folder_ / "study.zip");
    EXPECT_EQ(read_volume(std::move(reader)).voxels[1], -1022.0F);
    EXPECT_TRUE(fs::exists(source.frames.front().file));
    const auto note = std::ranges::find(source.notes, "files_left_out", &Note::code);
    ASSERT_NE(note, source.notes.end());
    EXPECT_CONTAINS(note->text, "study.zip/readme.txt");
  }
  EXPECT_TRUE(temporary_folder_is_empty());
}

TEST_F(Zip, ErrorsNameTheArchiveAndLeaveNothingBehind) {
  const std::string slice = test::ct_slice(0).bytes();
  const fs::path cut = zip({{"a/cut.dcm", slice.substr(0, 500)}});
  EXPECT_CONTAINS(test::reading_error(cut), cut.string() + "/a/cut.dcm: is cut short");
  for (const char* name : {"../out.dcm", "/out.dcm", "a/../../out.dcm"})
    EXPECT_CONTAINS(test::reading_error(zip({{name, slice}})), "study.zip: holds a file named");
  EXPECT_CONTAINS(test::reading_error(zip({{"a", slice}, {"a", slice}})), "holds a twice");
  EXPECT_CONTAINS(test::reading_error(zip({{"notes.txt", "hello"}})), "study.zip: holds no DICOM files");
  const std::string whole = test::zip_bytes({{"a.dcm", slice}});
  test::save(folder_ / "study.zip", whole.substr(0, whole.size() / 2));
  EXPECT_CONTAINS(test::reading_error(folder_ / "study.zip"), "study.zip: is a ZIP that is cut short or damaged");
  EXPECT_TRUE(temporary_folder_is_empty());
  EXPECT_FALSE(fs::exists(folder_ / "out.dcm"));
}

TEST_F(Zip, FilesMayBeCalledAnything) {
  const std::string slice = test::ct_slice(0).bytes();
  for (const char* name : {"./a/IM1", "M\xc3\xbcller/IM1", "\xe6\x97\xa5\xe6\x9c\xac/IM1", "M\x81ller/IM1"}) {
    const bool is_utf8 = std::string_view(name).find('\x81') == std::string_view::npos;  // else of code page 437
    const fs::path file = zip({{name, slice}}, {.flags = static_cast<std::uint16_t>(is_utf8 ? 0x800 : 0)});
    EXPECT_EQ(test::reading_error(file), "") << name;
  }
}

TEST_F(Zip, NeedsAFolderForTemporaryFiles) {
  const fs::path file = zip({{"a.dcm", test::ct_slice(0).bytes()}});
  setenv("TMPDIR", (folder_ / "nowhere").c_str(), 1);
  EXPECT_CONTAINS(test::reading_error(file), "the folder for temporary files cannot be used: ");
}

TEST_F(Zip, RefusesWhatIsEncrypted) {
  const std::string slice = test::ct_slice(0).bytes();
  EXPECT_EQ(test::reading_error(zip({{"a.dcm", std::string(12, '\7') + slice}}, {.flags = 1})),
            (folder_ / "study.zip").string() + ": is encrypted, expected a ZIP without a password; unpack it yourself");
  EXPECT_TRUE(temporary_folder_is_empty());
}

TEST_F(Zip, RefusesMoreFilesThanAStudyHas) {
  std::vector<std::pair<std::string, std::string>> files{{"a.dcm", test::ct_slice(0).bytes()}};
  for (int n = 0; n < 99'999; ++n) files.emplace_back(fmt::format(".{}", n), "");  // hidden ones count, too
  EXPECT_EQ(test::reading_error(zip(files)), "");
  files.emplace_back("b", "");
  EXPECT_EQ(
      test::reading_error(zip(files)),
      (folder_ / "study.zip").string() + ": holds more than 100000 files, expected a DICOM study; unpack it yourself");
  EXPECT_TRUE(temporary_folder_is_empty());
}

TEST_F(Zip, RefusesASmallOneThatWouldFillTheDisk) {
  const std::string zeros = test::deflated_part(std::string(1 << 20, '\0'));
  std::string packed;
  for (int mebibyte = 0; mebibyte < 300; ++mebibyte) packed += zeros;
  const std::string error = test::reading_error(zip({{"a.dcm", packed + test::deflate_end}}, {.method = 8}));
  EXPECT_EQ(error, (folder_ / "study.zip").string() +
                       ": unpacks to more than 268435456 bytes, expected a DICOM study; unpack it yourself");
  EXPECT_TRUE(temporary_folder_is_empty());
}

}  // namespace
}  // namespace pulmoseg::volume
