// pacs/archive: which files `push` sends.

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/pacs/archive.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"

namespace pulmoseg::pacs {
namespace {

namespace fs = std::filesystem;

std::string refusal(const fs::path& input) {
  try {
    find_dicom_files({input});
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DicomFiles, AreThoseInAndBelowAFolder) {
  const test::TemporaryFolder folder;
  fs::create_directory(folder / "below");
  write_file(folder / "below/b.dcm", test::ct_slice(1).bytes());
  write_file(folder / "a", test::ct_slice(0).bytes());
  write_file(folder / "notes.txt", "not one");
  write_file(folder / ".hidden", test::ct_slice(2).bytes());
  const std::vector<fs::path> both{folder / "a", folder / "below/b.dcm"};
  EXPECT_EQ(find_dicom_files({folder.path()}), both);
  EXPECT_EQ(find_dicom_files({folder / "a", folder.path()}), both);  // named twice, sent once
}

TEST(DicomFiles, AreRefusedWhenCutHarmfulOrNone) {
  const test::TemporaryFolder folder;
  EXPECT_CONTAINS(refusal(folder / "missing"), "is not there");
  EXPECT_CONTAINS(refusal(folder.path()), "holds no DICOM file");
  write_file(folder / "notes.txt", "not one");
  EXPECT_CONTAINS(refusal(folder / "notes.txt"), "is no DICOM file");
  const std::string whole = test::ct_slice(0).bytes();
  write_file(folder / "cut.dcm", whole.substr(0, whole.size() - 3));
  EXPECT_CONTAINS(refusal(folder.path()), "cut.dcm: is no whole DICOM file");
  std::string deep;
  for (int i = 0; i < 100'000; ++i)
    deep += std::string("\xe0\x7f\x20\0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff", 20);
  write_file(folder / "cut.dcm", whole + deep);  // DCMTK calls itself once for each
  EXPECT_CONTAINS(refusal(folder.path()), "cut.dcm: holds sequences in sequences without end");
  write_file(folder / "cut.dcm", test::ct_slice(0).bytes().substr(0, 150));
  EXPECT_CONTAINS(refusal(folder / "cut.dcm"), "is no whole DICOM file");
}

}  // namespace
}  // namespace pulmoseg::pacs
