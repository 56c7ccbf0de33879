// pacs/server: addresses, UIDs, AE titles.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/server.hpp"
#include "support/contains.hpp"

namespace pulmoseg::pacs {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_address(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Address, OfDicomWeb) {
  const auto [server, study, series] = parse_address("https://pacs.example:8443/a/dicom-web/");
  EXPECT_EQ(server.protocol, Server::Protocol::dicomweb);
  EXPECT_EQ(server.name, "https://pacs.example:8443/a/dicom-web");
  EXPECT_EQ(server.host, "pacs.example");
  EXPECT_EQ(server.port, 8443);
  EXPECT_TRUE(server.tls);
  EXPECT_EQ(study + series, "");
  EXPECT_EQ(parse_address("http://pacs").server.port, 80);
  EXPECT_FALSE(parse_address("http://pacs").server.tls);
  EXPECT_EQ(parse_address("https://[::1]:1/x").server.host, "::1");
}

TEST(Address, OfANode) {
  const auto server = parse_address("dicoms://CT PACS@10.0.0.7").server;
  EXPECT_EQ(server.protocol, Server::Protocol::dimse);
  EXPECT_EQ(server.called_ae, "CT PACS");
  EXPECT_EQ(server.host, "10.0.0.7");
  EXPECT_EQ(server.port, 2762);
  EXPECT_TRUE(server.tls);
  EXPECT_EQ(server.calling_ae, "PULMOSEG");
  EXPECT_EQ(parse_address("dicom://P@h").server.port, 104);
  EXPECT_EQ(parse_address("dicom://P@h:11112").server.port, 11112);
}

TEST(Address, GoesOnToAStudyOrASeries) {
  const auto web = parse_address("http://pacs/dicom-web/studies/1.2/series/1.2.3");
  EXPECT_EQ(web.server.name, "http://pacs/dicom-web");
  EXPECT_EQ(web.study, "1.2");
  EXPECT_EQ(web.series, "1.2.3");
  const auto node = parse_address("dicom://P@h:1/studies/1.2");
  EXPECT_EQ(node.server.name, "dicom://P@h:1");
  EXPECT_EQ(node.study, "1.2");
  EXPECT_EQ(node.series, "");
}

TEST(Address, RefusesWhatIsNone) {
  EXPECT_CONTAINS(refusal("results"), "results: is no address of a server; expected http[s]://HOST");
  EXPECT_CONTAINS(refusal("ftp://h/x"), "is no address");
  EXPECT_CONTAINS(refusal("http://"), "names no host");
  EXPECT_CONTAINS(refusal("http://h:0/x"), "'0' is no port");
  EXPECT_CONTAINS(refusal("http://h:65536/x"), "is no port");
  EXPECT_CONTAINS(refusal("http://h/x?a=b"), "http://h/x: holds a query");
  EXPECT_CONTAINS(refusal("http://h/x/studies/../1"), "is no UID");
  EXPECT_CONTAINS(refusal("http://h/x/studies/1/series/a"), "is no UID");
  EXPECT_CONTAINS(refusal("http://[::1]1/x"), "names no host");
  EXPECT_CONTAINS(refusal("dicom://P@[::1]:104"), "is an IPv6 address, which is for DICOMweb alone");
  EXPECT_CONTAINS(refusal("dicom://h:104"), "lacks the AE title");
  EXPECT_CONTAINS(refusal("dicom://SEVENTEEN_LETTERS@h"), "no AE title");
  EXPECT_CONTAINS(refusal("dicom://P@h/x"), "'/x' does not belong there");
}

TEST(Address, IsNoPlaceForAPassword) {
  for (const std::string address :
       {"https://me:secret@pacs/x", "http://me@pacs/x", "dicom://me:secret@h", "http://me:sec/secret@pacs/x"}) {
    EXPECT_CONTAINS(refusal(address), "PULMOSEG_PACS_USER");
    EXPECT_EQ(refusal(address).find("secret"), std::string::npos);
  }
}

TEST(Credentials, ComeFromTheEnvironment) {
  ::setenv("PULMOSEG_PACS_USER", "me", 1);
  EXPECT_THROW(credentials_from_environment(), UsageError);
  ::setenv("PULMOSEG_PACS_PASSWORD", "secret", 1);
  EXPECT_EQ(credentials_from_environment().password, "secret");
  ::unsetenv("PULMOSEG_PACS_USER");
  ::unsetenv("PULMOSEG_PACS_PASSWORD");
  EXPECT_TRUE(credentials_from_environment().empty());
}

TEST(Uid, IsDigitsAndDots) {
  EXPECT_TRUE(is_uid("1.2.840.10008.5.1.4.1.1.2"));
  EXPECT_TRUE(is_uid(std::string(64, '1')));
  for (const auto& none : std::vector<std::string>{"", "..", ".1", "../1", "1/2", "1.2a", "1 ", std::string(65, '1')}) {
    EXPECT_FALSE(is_uid(none)) << none;
  }
}

}  // namespace
}  // namespace pulmoseg::pacs
