#include "pulmoseg/base/sha256.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

std::string hash_of(const std::string& text) { return sha256(std::as_bytes(std::span(text.data(), text.size()))); }

// FIPS 180-4's own examples (NIST, "SHA256.pdf"), and what sha256sum says.
TEST(Sha256, EqualsPublishedExamples) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_of(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  const test::TemporaryFolder folder;
  const std::string text(3'000'001, 'x');
  write_file(folder / "x", text);
  EXPECT_EQ(sha256_of_file(folder / "x"), hash_of(text));
  write_file(folder / "x", "");
  EXPECT_EQ(sha256_of_file(folder / "x"), hash_of(""));
  EXPECT_THROW(sha256_of_file(folder / "none"), Error);
}

}  // namespace
}  // namespace pulmoseg
