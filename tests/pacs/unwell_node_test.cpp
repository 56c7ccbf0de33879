// pacs/archive against a DIMSE node that opens an association and then lies, babbles or trickles: one clear line, in time.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "error_of.hpp"
#include "pulmoseg/pacs/archive.hpp"
#include "support/contains.hpp"
#include "tiny_node.hpp"

namespace pulmoseg::pacs {
namespace {

using namespace std::chrono_literals;
using test::fragment;
using test::TinyNode;

constexpr std::uint16_t pending = 0xff00;
const std::string answer_begins = fragment(test::find_response(pending, true), true);
const std::string no_more = fragment(test::find_response(0, false), true);

std::string find_error(const TinyNode& node, std::chrono::seconds timeout = 20s) {
  Server server = node.server();
  server.timeout = timeout;
  return test::error_of([&] { Archive(server).find({.patient_id = "P1"}); });
}

std::string fragments_of(const std::string& bytes, bool is_command) {
  constexpr std::size_t most = 16000;
  std::string all;
  for (std::size_t at = 0; at < bytes.size(); at += most) {
    all += fragment(bytes.substr(at, most), is_command, at + most >= bytes.size());
  }
  return all;
}

/// A ReferencedStudySequence in itself, so many times, in implicit VR.
std::string deep(int levels) {
  std::string bytes;
  for (int i = 0; i < levels; ++i) {
    bytes += std::string("\x08\0\x10\x11\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff", 16);
  }
  return bytes;
}

TEST(UnwellNode, AnswersAndSaysNoGoodbye) {
  const std::string answer = answer_begins + fragment(test::implicit_element(0x00100020, "P2"), false) + no_more;
  const TinyNode node({.bytes = answer, .slowly = false, .says_goodbye = false});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(find_error(node), "no error");  // another patient's: nothing found
  EXPECT_LT(std::chrono::steady_clock::now() - start, 15s);
}

TEST(UnwellNode, SequencesInSequencesEndTheAssociationAndNotTheProgram) {
  for (const auto& bytes : {answer_begins + fragments_of(deep(200'000), false), fragments_of(deep(4000), true),
                            fragments_of(deep(200'000), true)}) {
    const TinyNode node({bytes});
    const auto line = find_error(node);
    EXPECT_CONTAINS(line, node.server().name + ": C-FIND: the node sends ");
    EXPECT_CONTAINS(line, "without end");
  }
}

TEST(UnwellNode, TricklesOrFallsSilent) {
  const std::string whole = answer_begins + no_more;
  const std::string half = whole.substr(0, whole.size() / 2);
  for (const auto& answer :
       {TinyNode::Answer{whole, /*slowly=*/true}, TinyNode::Answer{half}, TinyNode::Answer{"\x04"}}) {
    const TinyNode node(answer);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_CONTAINS(find_error(node, 1s), node.server().name + ": ");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 8s);
  }
}

TEST(UnwellNode, DamagedAnswersAreErrorsOrNothing) {
  const std::string item("\xfe\xff\0\xe0\x0a\0\0\0", 8);
  const std::string data = test::implicit_element(0x00080005, "ISO_IR 100") +
                           test::implicit_element(0x00081110, item + test::implicit_element(0x00080050, "A1")) +
                           test::implicit_element(0x00100020, "P2");
  const std::string whole = answer_begins + fragment(data, false) + no_more;
  std::mt19937 random(13);
  int errors = 0;
  for (int i = 0; i < 20; ++i) {  // those that end too early take a second each
    std::string bytes = whole;
    for (int flips = 0; flips <= i % 8; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    const TinyNode node({bytes});
    errors += find_error(node, 1s) != "no error";
  }
  EXPECT_GT(errors, 4);
}

TEST(UnwellNode, FindsWithoutEnd) {
  std::string many;
  const std::string answer = answer_begins + fragment(test::implicit_element(0x00100020, "P2"), false);
  for (int i = 0; i < 100'001; ++i) many += answer;
  const TinyNode node({many});
  EXPECT_CONTAINS(find_error(node), "it finds far too much");
}

TEST(UnwellNode, HostsWithoutIPv4AreNamed) {
  const Server server = parse_address("dicom://X@no-such-host.invalid:104").server;
  EXPECT_CONTAINS(test::error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "the host has no IPv4 address");
}

}  // namespace
}  // namespace pulmoseg::pacs
