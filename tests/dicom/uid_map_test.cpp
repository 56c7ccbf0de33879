#include "pulmoseg/dicom/uid_map.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"
#include "support/nifti.hpp"

namespace pulmoseg::dicom {
namespace {

TEST(UidMapTest, OneForEachAndOfTheKey) {
  const UidMap one("key"), other("another");
  EXPECT_EQ(one("1.2.3"), one("1.2.3"));
  EXPECT_NE(one("1.2.3"), one("1.2.4"));
  EXPECT_NE(one("1.2.3"), other("1.2.3"));
  // By Python's hashlib, bits of version 8 and variant set.
  EXPECT_EQ(one("1.2.3"), "2.25.136520783260652379551655944617630649482");
  EXPECT_LE(one("1.2.3").size(), 64U);
}

TEST(UidMapTest, RunsIntoOneFolderAgree) {
  const test::TemporaryFolder folder;
  const UidMap first = UidMap::of_folder(folder.path()), second = UidMap::of_folder(folder.path());
  EXPECT_EQ(first("1.2.3"), second("1.2.3"));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(folder / "uids.key").permissions(), perms::owner_read | perms::owner_write);
  test::write_bytes(folder / "uids.key", "x");
  EXPECT_THROW(UidMap::of_folder(folder.path()), Error);
}

TEST(UidMapTest, NewOnesDiffer) { EXPECT_NE(new_uid(), new_uid()); }

}  // namespace
}  // namespace pulmoseg::dicom
