#include "pulmoseg/dataset/npy.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "pulmoseg/base/error.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

namespace fs = std::filesystem;

fs::path golden(const char* name) { return test::repository_file("tests/data/dataset") / name; }

std::string message_of(const fs::path& file) {
  try {
    NpyFile::open(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "opened";
}

void expect_refused(const fs::path& file, std::string_view reason) {
  const std::string message = message_of(file);
  EXPECT_TRUE(message.starts_with(file.string() + ": ")) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

/// A version 1 file with this dictionary and this many bytes of values.
fs::path write_npy(const fs::path& file, std::string dictionary, std::size_t value_bytes) {
  dictionary.resize(118, ' ');
  std::ofstream(file, std::ios::binary) << "\x93NUMPY" << '\x01' << '\x00' << '\x76' << '\x00' << dictionary
                                        << std::string(value_bytes, '\0');
  return file;
}

TEST(NpyFile, ReadsWhatNumpyWrote) {
  for (const char* name : {"float32.npy", "version2.npy"}) {
    const auto array = NpyFile::open(golden(name));
    EXPECT_EQ(array.type(), NpyType::float32);
    EXPECT_EQ(array.shape(), (std::vector<std::int64_t>{2, 3, 4}));
    const auto values = array.floats();
    ASSERT_EQ(values.size(), 24U);
    for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(values[i], static_cast<float>(i) / 8);
  }
  const auto bytes = NpyFile::open(golden("uint8.npy"));
  EXPECT_EQ(bytes.type(), NpyType::uint8);
  EXPECT_EQ(bytes.bytes()[23], 2);
  EXPECT_EQ(NpyFile::open(golden("vector.npy")).shape(), std::vector<std::int64_t>{5});
}

TEST(NpyFile, MovesWithoutLosingItsMapping) {
  auto array = NpyFile::open(golden("float32.npy"));
  const auto moved = std::move(array);
  EXPECT_EQ(moved.floats()[8], 1.0F);
}

TEST(NpyFile, RefusesOtherTypesAndOrders) {
  expect_refused(golden("float64.npy"), "values of type <f8, expected <f4");
  expect_refused(golden("big_endian.npy"), "values of type >f4");
  expect_refused(golden("structured.npy"), "values of type [('a', '<f4'), ('b', '|u1')");
  expect_refused(golden("fortran.npy"), "Fortran order");
  EXPECT_THROW(NpyFile::open(golden("float32.npy")).bytes(), Error);
  EXPECT_THROW(NpyFile::open(golden("uint8.npy")).floats(), Error);
}

TEST(NpyFile, RefusesDamagedFiles) {
  const test::TemporaryFolder folder;
  expect_refused(folder / "none.npy", "cannot be read: No such file");
  expect_refused(folder.path(), "not a file");
  std::ofstream(folder / "empty.npy");
  expect_refused(folder / "empty.npy", "is empty");
  std::ofstream(folder / "text.npy") << "this is not an array at all";
  expect_refused(folder / "text.npy", "is not a .npy array");

  std::ifstream stream(golden("float32.npy"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(stream), {}};
  for (const auto& [length, reason] :
       {std::pair{20, "cut off inside its header"}, {180, "holds 52 bytes of values, expected 96"}}) {
    std::ofstream(folder / "cut.npy", std::ios::binary) << whole.substr(0, static_cast<std::size_t>(length));
    expect_refused(folder / "cut.npy", reason);
  }
  std::ofstream(folder / "long.npy", std::ios::binary) << whole << "more";
  expect_refused(folder / "long.npy", "holds 100 bytes of values, expected 96 for shape (2, 3, 4) of float32");
  std::string version3 = whole;
  version3[6] = 3;
  std::ofstream(folder / "version3.npy", std::ios::binary) << version3;
  expect_refused(folder / "version3.npy", "version 3");
}

TEST(NpyFile, ReadsHeadersInAnyPythonSpelling) {
  const test::TemporaryFolder folder;
  const auto file = write_npy(folder / "a.npy", R"({"shape":(2,3),"fortran_order":False,"descr":"|u1"})", 6);
  EXPECT_EQ(NpyFile::open(file).shape(), (std::vector<std::int64_t>{2, 3}));
}

TEST(NpyFile, RefusesHostileHeaders) {
  const test::TemporaryFolder folder;
  const auto refuse = [&](const std::string& dictionary, std::string_view reason) {
    expect_refused(write_npy(folder / "a.npy", dictionary, 16), reason);
  };
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 16), }",
         "more than memory can hold");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", "damaged .npy header");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4.0,), }", "damaged .npy header");
  refuse("{'descr': '<f4', 'shape': (4,), }", "damaged .npy header");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), } and more", "damaged .npy header");
  refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4", "damaged .npy header");
  refuse("{'descr': '<f4', 'fortran_order': Perhaps, 'shape': (4,), }", "damaged .npy header");
  refuse("{'descr: '<f4", "damaged .npy header");
  refuse("", "damaged .npy header");
}

TEST(NpyWriter, WritesRowsInAnyOrder) {
  const test::TemporaryFolder folder;
  NpyWriter writer(folder / "a.npy", NpyType::float32, {2, 2});
  writer.write_row(2, std::vector<float>{8, 9, 10, 11});
  writer.write_row(0, std::vector<float>{0, 1, 2, 3});
  writer.write_row(1, std::vector<float>{4, 5, 6, 7});
  EXPECT_FALSE(fs::exists(folder / "a.npy"));
  writer.commit(3);
  const auto array = NpyFile::open(folder / "a.npy");
  EXPECT_EQ(array.shape(), (std::vector<std::int64_t>{3, 2, 2}));
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(array.floats()[i], static_cast<float>(i));
  EXPECT_EQ(fs::file_size(folder / "a.npy"), 128U + 48U);
}

TEST(NpyWriter, MakesTheBytesThatNumpyMakes) {
  const test::TemporaryFolder folder;
  NpyWriter writer(folder / "a.npy", NpyType::uint8, {3, 4});
  std::vector<std::uint8_t> row(12);
  for (int r = 0; r < 2; ++r) {
    for (std::size_t i = 0; i < 12; ++i) row[i] = static_cast<std::uint8_t>((static_cast<std::size_t>(r) * 12 + i) / 8);
    writer.write_row(r, std::span<const std::uint8_t>(row));
  }
  writer.commit(2);
  EXPECT_EQ(read_file(folder / "a.npy"), read_file(golden("uint8.npy")));
}

TEST(NpyWriter, LeavesNothingWithoutCommit) {
  const test::TemporaryFolder folder;
  { NpyWriter(folder / "a.npy", NpyType::uint8, {1}).write_row(0, std::vector<std::uint8_t>{1}); }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(NpyWriter, RefusesMissingRowsAndRowsOfAnotherShape) {
  const test::TemporaryFolder folder;
  NpyWriter writer(folder / "a.npy", NpyType::uint8, {2});
  writer.write_row(1, std::vector<std::uint8_t>{1, 2});
  EXPECT_THROW(writer.write_row(0, std::vector<std::uint8_t>{1}), Error);
  EXPECT_THROW(writer.write_row(0, std::vector<float>{1, 2}), Error);
  EXPECT_THROW(writer.commit(2), Error);  // row 0 is missing
  writer.write_row(0, std::vector<std::uint8_t>{1, 2});
  EXPECT_THROW(writer.commit(3), Error);
  EXPECT_THROW(writer.commit(1), Error);
  EXPECT_FALSE(fs::exists(folder / "a.npy"));
  writer.commit(2);
  EXPECT_TRUE(fs::exists(folder / "a.npy"));
}

}  // namespace
}  // namespace pulmoseg::dataset
