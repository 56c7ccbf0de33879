// pacs/multipart: the same parts, however the bytes come in.

#include "pulmoseg/pacs/multipart.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::pacs {
namespace {

std::vector<std::string> read_parts(const std::string& message, std::size_t step, const std::string& boundary = "b") {
  std::vector<std::string> parts;
  bool open = false;
  MultipartReader reader(boundary, {.begin = [&] { open = true, parts.emplace_back(); },
                                    .content = [&](std::string_view bytes) { parts.back() += bytes; },
                                    .end = [&] { open = false; }});
  for (std::size_t at = 0; at < message.size(); at += step) reader.feed(std::string_view(message).substr(at, step));
  reader.finish();
  EXPECT_FALSE(open);
  return parts;
}

TEST(Multipart, GivesTheSamePartsWhateverTheChunks) {
  const std::string binary("\0\r\n--\r\n--a\r\n\r\n-", 16);
  const std::string message =
      "preamble\r\n--b \t\r\nContent-Type: application/dicom\r\n\r\n" + binary +
      "\r\n--b\r\n\r\nsecond\r\n--b\r\nA: 1\r\nB: 2\r\n\r\n\r\n--b--\r\nepilogue\r\n--b\r\n\r\nno";
  for (std::size_t step = 1; step <= message.size(); ++step) {
    EXPECT_EQ(read_parts(message, step), (std::vector<std::string>{binary, "second", ""})) << step;
  }
}

TEST(Multipart, NeedsNoLineEndBeforeTheFirstDelimiter) {
  EXPECT_EQ(read_parts("--b\r\n\r\nx\r\n--b--", 3), std::vector<std::string>{"x"});
}

TEST(Multipart, IsNotOverBeforeItsLastDelimiter) {
  EXPECT_THROW(read_parts("--b\r\n\r\nx", 100), Error);
  EXPECT_THROW(read_parts("--b\r\n\r\nx\r\n--b\r\n", 100), Error);
  EXPECT_THROW(read_parts("<html>", 100), Error);
  EXPECT_THROW(read_parts("", 100), Error);
}

TEST(Multipart, RefusesEndlessHeadersAndOtherDelimiters) {
  EXPECT_THROW(read_parts("--b\r\n" + std::string(20000, 'x'), 1000), Error);
  EXPECT_THROW(read_parts("--bc\r\n\r\nx\r\n--bc--", 100), Error);
}

TEST(Multipart, RefusesWhatGoesOnWithoutAPart) {
  const std::string much(1 << 21, 'x');
  EXPECT_THROW(read_parts(much + "\r\n--b\r\n\r\nx\r\n--b--", 1000), Error);
  EXPECT_THROW(read_parts("--b\r\n\r\nx\r\n--b--" + much, 1000), Error);
  EXPECT_EQ(read_parts("a word\r\n--b\r\n\r\n" + much + "\r\n--b--a word", 1000), std::vector<std::string>{much});
}

TEST(Multipart, BoundaryIsAParameterOfItsType) {
  EXPECT_EQ(boundary_of("multipart/related; type=\"application/dicom\"; boundary=a-b"), "a-b");
  EXPECT_EQ(boundary_of("Multipart/Related;Boundary=\"a b; c\";x=y"), "a b; c");
  EXPECT_EQ(boundary_of("multipart/related; type=x"), std::nullopt);
  EXPECT_EQ(boundary_of("multipart/related; boundary="), std::nullopt);
  EXPECT_EQ(boundary_of("application/json; boundary=a"), std::nullopt);
  EXPECT_EQ(boundary_of(""), std::nullopt);
}

}  // namespace
}  // namespace pulmoseg::pacs
