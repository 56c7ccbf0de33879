// pacs/archive against Debian's Orthanc: what was stored comes back as it was, over each way in and out.

#include "orthanc.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>

#include "error_of.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/pacs/archive.hpp"
#include "support/contains.hpp"
#include "support/dicom.hpp"
#include "tiny_server.hpp"

namespace pulmoseg::pacs {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::Orthanc;

/// The bytes behind group 2, which each hop writes anew (PS3.10, 7.1), and the transfer syntax out of it.
struct Content {
  std::string syntax, data_set;
  bool operator==(const Content&) const = default;
};

Content content_of(const fs::path& file) {
  const std::string bytes = read_file(file);
  std::uint32_t meta_length = 0;
  std::memcpy(&meta_length, bytes.data() + 140, 4);
  const std::string meta = bytes.substr(144, meta_length);
  const auto syntax = meta.find(std::string("\x02\0\x10\0UI", 6));
  const auto length = static_cast<unsigned char>(meta.at(syntax + 6));
  return {meta.substr(syntax + 8, length), bytes.substr(144 + meta_length)};
}

/// By SOP instance UID, as names of files.
std::map<std::string, Content> contents_of(const fs::path& folder) {
  std::map<std::string, Content> contents;
  for (const auto& entry : fs::directory_iterator(folder)) contents[entry.path().filename()] = content_of(entry);
  return contents;
}

Series only(const std::vector<Series>& found) {
  EXPECT_EQ(found.size(), 1U);
  return found.empty() ? Series{} : found.front();
}

std::map<std::string, Content> fetched(const Server& server, const Query& query) {
  const test::TemporaryFolder folder;
  Archive archive(server);
  archive.fetch(only(archive.find(query)), folder / "out");
  return contents_of(folder / "out");
}

void store_all(const Server& server, const fs::path& folder) {
  Archive(server).store(find_dicom_files({folder}), [](const Answer& answer) {
    EXPECT_EQ(answer.outcome, Answer::Outcome::stored) << answer.words;
  });
}

/// Slice `n` with its pixels in RLE (PS3.5, annex G): two planes of 12 bytes, each one literal run.
std::string rle_slice(int n) {
  auto slice = test::ct_slice(n);
  const std::string plain = slice.data_set();
  const std::string pixels = plain.substr(plain.size() - 24);
  slice.remove(0x7fe00010);
  std::string low, high;
  for (std::size_t i = 0; i < pixels.size(); i += 2) low += pixels[i], high += pixels[i + 1];
  const auto number = [](std::uint32_t value) { return std::string(reinterpret_cast<const char*>(&value), 4); };
  const std::string frame = number(2) + number(64) + number(78) + std::string(52, '\0') + "\x0b" + high +
                            std::string(1, '\0') + "\x0b" + low + std::string(1, '\0');
  const std::string item("\xfe\xff\x00\xe0", 4), end("\xfe\xff\xdd\xe0", 4);
  return slice.head("1.2.840.10008.1.2.5") + slice.data_set() +
         std::string("\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", 12) + item + number(0) + item +
         number(static_cast<std::uint32_t>(frame.size())) + frame + end + number(0);
}

/// What a test stores, and fetches again over each way.
class WithOrthanc : public testing::Test {
 protected:
  void SetUp() override { PULMOSEG_REQUIRE_ORTHANC(); }

  Server move_server(const Orthanc& orthanc) const {
    Server server = parse_address(orthanc.dicom()).server;
    server.move = {.ae_title = "PULMOSEG", .port = orthanc.move_port()};
    return server;
  }

  fs::path named_series(int count) {
    fs::create_directory(folder_ / "series");
    for (int n = 0; n < count; ++n) {
      write_file(folder_ / fmt::format("series/2.25.{}.dcm", 100 + n), test::ct_slice(n).bytes());
    }
    return folder_ / "series";
  }

  test::TemporaryFolder folder_;
};

class EachWay : public WithOrthanc, public testing::WithParamInterface<bool> {};

TEST_P(EachWay, GivesBackWhatWasStored) {
  const bool stored_by_web = GetParam();
  const Orthanc orthanc;
  const fs::path series = named_series(5);
  write_file(series / "2.25.105.dcm", rle_slice(5));
  for (const auto& [n, sop_class] : {std::pair(3, "1.2.840.10008.5.1.4.1.1.66.4"),      // Segmentation
                                     std::pair(4, "1.2.840.10008.5.1.4.1.1.88.34")}) {  // Comprehensive 3D SR
    write_file(series / fmt::format("2.25.{}.dcm", 100 + n),
               test::ct_slice(n).put(0x00080016, "UI", sop_class).bytes());
  }
  const auto web = parse_address(orthanc.web()).server, node = parse_address(orthanc.dicom()).server;
  store_all(stored_by_web ? web : node, series);
  const auto expected = contents_of(series);
  EXPECT_EQ(expected.at("2.25.105.dcm").syntax.substr(0, 19), "1.2.840.10008.1.2.5");
  for (const auto& server : {web, node, move_server(orthanc)}) {
    EXPECT_TRUE(fetched(server, {.patient_id = "P1"}) == expected) << server.name << (server.move ? " by C-MOVE" : "");
  }
}

INSTANTIATE_TEST_SUITE_P(Pacs, EachWay, testing::Bool());

TEST_F(WithOrthanc, FindsByWhatWasAsked) {
  const Orthanc orthanc;
  store_all(parse_address(orthanc.web()).server, named_series(2));
  for (const auto& address : {orthanc.web(), orthanc.dicom()}) {
    Archive archive(parse_address(address).server);
    const auto found = only(archive.find({.accession_number = "A17"}));
    EXPECT_EQ(found.study, "2.25.1");
    EXPECT_EQ(found.uid, "2.25.2");
    EXPECT_EQ(found.modality, "CT");
    EXPECT_EQ(found.description, "Lung 2.5");
    EXPECT_EQ(found.number, "3");
    EXPECT_EQ(found.study_date, "20240229");
    EXPECT_EQ(found.study_description, "Chest");
    EXPECT_EQ(found.accession_number, "A17");
    EXPECT_EQ(found.patient_id, "P1");
    EXPECT_EQ(found.patient_name, "Doe^Jane");
    EXPECT_EQ(found.instances, 2);
    EXPECT_EQ(archive.find({.study_date = "20240101-20241231"}).size(), 1U);
    EXPECT_EQ(archive.find({.study = "2.25.1", .series = "2.25.2", .modality = "CT"}).size(), 1U);
    for (const Query& other : {Query{.patient_id = "P10"}, Query{.patient_id = "p1"}, Query{.study_date = "20230101"},
                               Query{.study = "2.25.9"}, Query{.study = "2.25.1", .modality = "SEG"}}) {
      EXPECT_TRUE(archive.find(other).empty()) << address;
    }
    EXPECT_CONTAINS(error_of([&] { archive.fetch({.study = "2.25.1", .uid = "2.25.9"}, folder_ / "none"); }),
                    address + ": has no series 2.25.9");
  }
}

TEST_F(WithOrthanc, GoesOnWhereItStopped) {
  const Orthanc orthanc;
  const fs::path series = named_series(4);
  store_all(parse_address(orthanc.web()).server, series);
  for (const auto& server :
       {parse_address(orthanc.web()).server, parse_address(orthanc.dicom()).server, move_server(orthanc)}) {
    const test::TemporaryFolder out;
    Archive archive(server);
    const auto found = only(archive.find({.patient_id = "P1"}));
    EXPECT_EQ(archive.fetch(found, out.path()).there_before, 0U);
    fs::remove(out / "2.25.101.dcm");
    fs::remove(out / "2.25.103.dcm");
    const auto again = archive.fetch(found, out.path());
    EXPECT_EQ(again.there_before, 2U);
    EXPECT_EQ(again.instances, 4U);
    EXPECT_TRUE(contents_of(out.path()) == contents_of(series));
    EXPECT_EQ(archive.fetch(found, out.path()).there_before, 4U);
  }
}

TEST_F(WithOrthanc, StoresTwiceWithoutHarm) {
  const Orthanc orthanc;
  const fs::path series = named_series(2);
  for (const auto& address : {orthanc.web(), orthanc.dicom(), orthanc.web(), orthanc.dicom()}) {
    store_all(parse_address(address).server, series);
  }
  EXPECT_TRUE(fetched(parse_address(orthanc.web()).server, {.patient_id = "P1"}) == contents_of(series));
}

TEST_F(WithOrthanc, RefusesStrangers) {
  const Orthanc orthanc;
  Server server = parse_address(orthanc.dicom()).server;
  server.called_ae = "SOMEBODY";
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }),
                  "refuses the association; does it know us as PULMOSEG and itself as SOMEBODY?");
  server = parse_address(orthanc.dicom()).server;
  server.calling_ae = "STRANGER";
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "STRANGER");
  Server move = move_server(orthanc);
  move.move->ae_title = "UNKNOWN";
  store_all(parse_address(orthanc.web()).server, named_series(1));
  EXPECT_CONTAINS(error_of([&] { Archive(move).fetch({.study = "2.25.1", .uid = "2.25.2"}, folder_ / "out"); }),
                  fmt::format("C-MOVE to UNKNOWN (at 127.0.0.1:{}) ended with status", orthanc.move_port()));
  EXPECT_TRUE(fs::is_empty(folder_ / "out"));
}

TEST_F(WithOrthanc, APortThatIsTakenIsNamed) {
  const Orthanc orthanc;
  store_all(parse_address(orthanc.web()).server, named_series(1));
  const test::TinyServer holder([](const std::string&) { return ""; });
  Server move = move_server(orthanc);
  move.move->port = holder.port();
  EXPECT_CONTAINS(error_of([&] { Archive(move).fetch({.study = "2.25.1", .uid = "2.25.2"}, folder_ / "out"); }),
                  fmt::format("127.0.0.1:{}: cannot be listened on", holder.port()));
}

TEST_F(WithOrthanc, ListensWhereTheNodeIsCalledFromAndForNobodyElse) {
  const Orthanc orthanc;
  const fs::path series = named_series(1);
  store_all(parse_address(orthanc.web()).server, series);
  for (const auto& [listen_on, elsewhere] : {std::pair("", "refused"), std::pair("0.0.0.0", "patience")}) {
    Server move = move_server(orthanc);
    move.move->address = listen_on;
    std::string got_elsewhere;
    Archive(move).fetch({.study = "2.25.1", .uid = "2.25.2"}, folder_ / "out", [&](std::size_t, std::size_t) {
      got_elsewhere = test::what_a_stranger_gets("127.0.0.2", orthanc.move_port(), "127.0.0.1");
    });
    EXPECT_EQ(got_elsewhere, elsewhere);
    EXPECT_TRUE(contents_of(folder_ / "out") == contents_of(series));
    fs::remove_all(folder_ / "out");
  }
  Server move = move_server(orthanc);
  move.move->address = "::1";
  EXPECT_CONTAINS(error_of([&] { Archive(move).fetch({.study = "2.25.1", .uid = "2.25.2"}, folder_ / "out"); }),
                  "'::1' is no IPv4 address to listen on");
}

TEST_F(WithOrthanc, AsksForThePassword) {
  const Orthanc orthanc({.password = true});
  Server server = parse_address(orthanc.web()).server;
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "set PULMOSEG_PACS_USER");
  server.credentials = {.user = "reader", .password = "wrong"};
  const auto line = error_of([&] { Archive(server).find({.patient_id = "P1"}); });
  EXPECT_CONTAINS(line, "answers 401");
  EXPECT_EQ(line.find("wrong"), std::string::npos);
  server.credentials.password = "open sesame";
  const fs::path series = named_series(1);
  store_all(server, series);
  EXPECT_TRUE(fetched(server, {.patient_id = "P1"}) == contents_of(series));
}

class OverTls : public WithOrthanc {
 protected:
  /// With the right authority, and for a node the certificate that it asks for.
  Server trusted(Server server) const {
    server.certificates.authority = *certificates_ / "ca.pem";
    if (server.protocol == Server::Protocol::dimse) {
      server.certificates.own = *certificates_ / "client.pem";
      server.certificates.key = *certificates_ / "client.key";
    }
    return server;
  }

  void SetUp() override {
    PULMOSEG_REQUIRE_ORTHANC();
    certificates_ = std::make_unique<test::TestCertificates>();
    orthanc_ = std::make_unique<Orthanc>(test::OrthancOptions{.certificates = certificates_.get()});
  }

  std::unique_ptr<test::TestCertificates> certificates_;
  std::unique_ptr<Orthanc> orthanc_;
};

TEST_F(OverTls, EachWayGivesBackWhatWasStored) {
  const auto web = trusted(parse_address(orthanc_->web()).server),
             node = trusted(parse_address(orthanc_->dicom()).server);
  const auto move = trusted(move_server(*orthanc_));
  const fs::path series = named_series(3);
  store_all(web, series);
  store_all(node, series);
  for (const auto& server : {web, node, move}) {
    EXPECT_TRUE(fetched(server, {.patient_id = "P1"}) == contents_of(series)) << server.name;
  }
}

TEST_F(OverTls, ServersThatNobodyTrustedVouchesForAreRefused) {
  for (const auto& address : {orthanc_->web(), orthanc_->dicom()}) {
    Server server = trusted(parse_address(address).server);
    server.certificates.authority = *certificates_ / "other-ca.pem";
    EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "certificate");
    server.certificates.authority.clear();  // the system's
    EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "certificate");
  }
}

TEST_F(OverTls, ServersOfAnotherNameAreRefused) {
  for (const auto& address : {orthanc_->web(), orthanc_->dicom()}) {
    std::string elsewhere = address;
    elsewhere.replace(elsewhere.find("127.0.0.1"), 9, "localhost");  // the certificate names the number alone
    const Server server = trusted(parse_address(elsewhere).server);
    EXPECT_NE(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "no error") << address;
    EXPECT_EQ(error_of([&] { Archive(trusted(parse_address(address).server)).find({.patient_id = "P1"}); }),
              "no error");
  }
}

TEST_F(OverTls, ANodeThatAsksWhoWeAreIsToldOrRefuses) {
  Server server = trusted(parse_address(orthanc_->dicom()).server);
  server.certificates.own.clear();
  server.certificates.key.clear();
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), server.name);
  server.certificates.own = *certificates_ / "client.pem";
  server.certificates.key = *certificates_ / "ca.key";
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "cannot be used as our key");
  server.certificates.own = *certificates_ / "ca.key";
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), "cannot be used as our certificate");
}

TEST_F(OverTls, PlainSpeechIsNotUnderstood) {
  std::string plain = orthanc_->dicom();
  plain.replace(0, 9, "dicom://");
  Server server = parse_address(plain).server;
  server.timeout = std::chrono::seconds(5);
  EXPECT_CONTAINS(error_of([&] { Archive(server).find({.patient_id = "P1"}); }), plain);
}

TEST_F(WithOrthanc, RealChestGivesBackWhatWasStored) {
  PULMOSEG_REQUIRE_DATA("dicom/chest-64");
  const Orthanc orthanc;
  const auto chest = test::development_data("dicom/chest-64");
  store_all(parse_address(orthanc.dicom()).server, chest);
  std::map<std::string, Content> expected;
  for (const auto& entry : fs::directory_iterator(chest)) {
    const auto content = content_of(entry);
    expected[content.data_set] = content;
  }
  for (const auto& server :
       {parse_address(orthanc.web()).server, parse_address(orthanc.dicom()).server, move_server(orthanc)}) {
    const auto contents = fetched(server, {.patient_id = "123456"});
    EXPECT_EQ(contents.size(), 79U);
    for (const auto& [name, content] : contents) EXPECT_TRUE(expected.contains(content.data_set)) << name;
  }
}

}  // namespace
}  // namespace pulmoseg::pacs
