// pacs/dimse_watch: what DCMTK may have, by bytes that are put together here.

#include "pulmoseg/pacs/dimse_watch.hpp"

#include <gtest/gtest.h>

#include "tiny_node.hpp"

namespace pulmoseg::pacs {
namespace {

using namespace std::chrono_literals;
using test::fragment;

const std::string item("\xfe\xff\x00\xe0\xff\xff\xff\xff", 8);

std::string times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

/// What is said of the bytes, in pieces of that size.
std::string said_of(const std::string& bytes, std::size_t piece) {
  DimseWatch watch(60s);
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto reason = watch.see(std::string_view(bytes).substr(at, piece));
    if (!reason.empty()) return std::string(reason);
  }
  return "";
}

const std::string store_command = test::implicit_element(0, std::string("\x0a\0\0\0", 4)) +
                                  test::implicit_element(0x00000100, std::string("\x01\0", 2));

TEST(DimseWatch, LetsMessagesThrough) {
  const std::string answer = fragment(test::find_response(0xff00, true), true) + fragment(times(900, item), false);
  const std::string no_message =
      std::string("\x05\0\0\0\0\x04", 6) + "\0\0\0\0" + std::string(4, '\0');  // A-RELEASE-RQ
  for (const std::size_t piece : {1U, 5U, 6U, 7U, 100000U}) {
    EXPECT_EQ(said_of(times(3, answer) + no_message.substr(0, 10) + answer, piece), "") << piece;
  }
}

TEST(DimseWatch, SequencesInSequencesAreSeenAcrossFragments) {
  const std::string deep = times(1001, item);
  std::string in_threes;
  for (std::size_t at = 0; at < deep.size(); at += 3)
    in_threes += fragment(deep.substr(at, 3), false, at + 3 >= deep.size());
  const std::string command = fragment(test::find_response(0xff00, true), true);
  for (const auto& bytes : {command + fragment(deep, false), command + in_threes, fragment(deep, true)}) {
    for (const std::size_t piece : {1U, 7U, 100000U})
      EXPECT_EQ(said_of(bytes, piece), "sends sequences in sequences without end");
  }
}

TEST(DimseWatch, WhatGoesIntoAFileIsLookedThroughThere) {
  EXPECT_EQ(said_of(fragment(store_command, true) + fragment(times(2000, item), false), 1000), "");
  const std::string hidden = test::implicit_element(2, store_command);  // the words of another command
  EXPECT_EQ(said_of(fragment(hidden, true) + fragment(times(2000, item), false), 1000),
            "sends sequences in sequences without end");
}

TEST(DimseWatch, NothingIsKeptWithoutEnd) {
  const std::string much(1 << 20, 'x');
  EXPECT_EQ(said_of(fragment(much, true), 1000), "sends a command without end");
  DimseWatch watch(60s);
  std::string_view reason;
  int mib = 0;
  for (; reason.empty() && mib < 100; ++mib) reason = watch.see(fragment(much, false, false));
  EXPECT_EQ(reason, "answers more than 64 MiB");
  EXPECT_EQ(mib, 65);
}

TEST(DimseWatch, LengthsThatDoNotFitAreRefused) {
  for (const std::string& pdv : {std::string("\0\0\0\x01\x01\x03", 6), std::string("\0\0\0\x09\x01\x03", 6)}) {
    EXPECT_EQ(said_of(std::string("\x04\0\0\0\0\x06", 6) + pdv, 100), "sends what is no DICOM message");
  }
}

TEST(DimseWatch, AMessageMustNotTrickle) {
  const std::string message = fragment(std::string(5000, 'x'), false);
  const auto begin = DimseWatch::Clock::now();
  DimseWatch watch(10s);
  EXPECT_EQ(watch.see(message.substr(0, 1), begin), "");
  EXPECT_EQ(watch.see(message.substr(1, 1), begin + 9s), "");
  EXPECT_EQ(watch.see(message.substr(2, 1), begin + 11s), "sends too slowly");
  DimseWatch patient(10s);
  for (int hour = 0; hour < 3; ++hour) EXPECT_EQ(patient.see(message, begin + std::chrono::hours(hour)), "");
}

}  // namespace
}  // namespace pulmoseg::pacs
