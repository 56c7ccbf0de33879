// pacs/archive against servers that are not there, refuse, break off, are silent or lie: one clear line, no half file.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "error_of.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/pacs/archive.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "tiny_server.hpp"

namespace pulmoseg::pacs {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::http;
using test::TinyServer;
using namespace std::chrono_literals;

constexpr const char* json_type = "application/dicom+json";
const Query patient{.patient_id = "P1"};

Server web(const TinyServer& server) {
  return parse_address(fmt::format("http://127.0.0.1:{}/w", server.port())).server;
}
Server node(const TinyServer& server) {
  return parse_address(fmt::format("dicom://X@127.0.0.1:{}", server.port())).server;
}

std::string find_error(const Server& server) {
  return error_of([&] { Archive(server).find(patient); });
}

std::string study_json(const std::string& patient_id) {
  return R"([{"0020000D": {"vr": "UI", "Value": ["2.25.1"]}, "00100020": {"vr": "LO", "Value": [")" + patient_id +
         R"("]}}])";
}

std::string uids_json(const char* tag, const std::vector<std::string>& uids) {
  std::string json;
  for (const auto& uid : uids) {
    json += fmt::format("{}{{\"{}\": {{\"vr\": \"UI\", \"Value\": [\"{}\"]}}}}", json.empty() ? "" : ",", tag, uid);
  }
  return "[" + json + "]";
}

/// A search for the instances of a series answers these; all else goes to `retrieve`.
std::function<std::string(const std::string&)> series_with(const std::vector<std::string>& instances,
                                                           std::function<std::string()> retrieve) {
  return [=](const std::string& request) {
    if (request.find("/instances?") != std::string::npos) return http(200, json_type, uids_json("00080018", instances));
    return retrieve();
  };
}

std::string part(const std::string& content) { return "\r\n--b\r\nContent-Type: application/dicom\r\n\r\n" + content; }

constexpr const char* parts_type = "multipart/related; type=\"application/dicom\"; boundary=b";

class UnwellFetch : public testing::Test {
 protected:
  std::string fetch_error(const std::vector<std::string>& instances, const std::string& answer) {
    const TinyServer server(series_with(instances, [=] { return answer; }));
    return error_of([&] { Archive(web(server)).fetch({.study = "2.25.1", .uid = "2.25.2"}, out_); });
  }

  /// What is in the folder, hidden files too.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(out_)) names.insert(entry.path().filename().string());
    return names;
  }

  test::TemporaryFolder folder_;
  fs::path out_ = folder_ / "series";
  std::string slice_ = test::ct_slice(0).bytes(), other_ = test::ct_slice(1).bytes();  // instances 2.25.100, 2.25.101
};

TEST(UnwellServer, IsNotThere) {
  const auto port = test::free_port();
  EXPECT_CONTAINS(find_error(parse_address(fmt::format("http://127.0.0.1:{}/w", port)).server),
                  fmt::format("http://127.0.0.1:{}/w: ", port));
  const auto line = find_error(parse_address(fmt::format("dicom://X@127.0.0.1:{}", port)).server);
  EXPECT_CONTAINS(line, fmt::format("dicom://X@127.0.0.1:{}: the association failed: ", port));
}

TEST(UnwellServer, SaysNo) {
  for (const auto& [status, told] : std::map<int, std::string>{{401, "set PULMOSEG_PACS_USER"},
                                                               {404, "address of its DICOMweb service"},
                                                               {500, "the server answers 500 (out of order)"}}) {
    const TinyServer server([code = status](const std::string&) { return http(code, "text/plain", "out\nof order"); });
    const auto line = find_error(web(server));
    EXPECT_CONTAINS(line, fmt::format("{}/w: search: the server answers {}", server.port(), status));
    EXPECT_CONTAINS(line, told);
    EXPECT_EQ(line.find("P1"), std::string::npos) << "the patient's ID has no place in a message";
  }
}

TEST(UnwellServer, AnswersSomethingElse) {
  const TinyServer page([](const std::string&) { return http(200, "text/html", "<html>login</html>"); });
  EXPECT_CONTAINS(find_error(web(page)), "the answer is no DICOM JSON (its type is text/html)");
  const TinyServer noise([](const std::string&) { return std::string(1000, '\x7f'); });
  EXPECT_CONTAINS(find_error(web(noise)), "127.0.0.1");
  EXPECT_CONTAINS(find_error(node(noise)), "the association failed");
  const TinyServer closes([](const std::string&) { return ""; });
  EXPECT_CONTAINS(find_error(web(closes)), "127.0.0.1");
  EXPECT_CONTAINS(find_error(node(closes)), "the association failed");
}

TEST(UnwellServer, GetsTheTokenAndSendsItOnToNobody) {
  const TinyServer other([](const std::string&) { return http(200, json_type, "[]"); });
  const TinyServer server([&](const std::string&) {
    return fmt::format(
        "HTTP/1.1 302 X\r\nLocation: http://localhost:{}/w\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        other.port());
  });
  Server address = web(server);
  address.credentials.token = "abc";
  Archive(address).find(patient);
  EXPECT_CONTAINS(server.requests().at(0), "Authorization: Bearer abc\r\n");
  EXPECT_EQ(other.requests().at(0).find("Authorization"), std::string::npos);
}

TEST(UnwellServer, SendsUsElsewhere) {
  const TinyServer server([](const std::string&) {
    return std::string("HTTP/1.1 302 X\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\n\r\n");
  });
  EXPECT_CONTAINS(find_error(web(server)), "127.0.0.1");
  const TinyServer circle([](const std::string&) {
    return std::string("HTTP/1.1 302 X\r\nLocation: /w/again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  EXPECT_CONTAINS(find_error(web(circle)), "redirects");
}

TEST(UnwellServer, IsSilent) {
  const TinyServer server([](const std::string&) { return "silence"; });
  for (Server address : {web(server), node(server)}) {
    address.timeout = 1s;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_CONTAINS(find_error(address), address.name);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
  }
}

TEST(UnwellServer, IsSilentUntilTheUserStops) {
  const TinyServer server([](const std::string&) { return "silence"; });
  for (const Server& address : {web(server), node(server)}) {
    std::stop_source stop;
    const std::jthread presses([&] { std::this_thread::sleep_for(300ms), stop.request_stop(); });
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THROW(Archive(address, stop.get_token()).find(patient), Interrupted);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  }
}

TEST(UnwellServer, GivesTheSamePageAgainAndAgain) {
  const TinyServer server([](const std::string& request) {
    return http(200, json_type,
                request.find("/series?") == std::string::npos ? study_json("P1") : uids_json("0020000E", {"2.25.2"}));
  });
  EXPECT_EQ(Archive(web(server)).find(patient).size(), 1U);
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST(UnwellServer, AnswersWithOtherPatients) {
  const TinyServer server([](const std::string&) { return http(200, json_type, study_json("P10")); });
  EXPECT_TRUE(Archive(web(server)).find(patient).empty());
}

TEST(UnwellServer, IsNotAskedForEverything) {
  const TinyServer server([](const std::string&) { return ""; });
  EXPECT_THROW(Archive(web(server)).find({}), UsageError);
  EXPECT_THROW(Archive(web(server)).find({.patient_id = "*"}), UsageError);
  EXPECT_THROW(Archive(web(server)).find({.study = "x"}), UsageError);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(UnwellFetch, BreaksOffInTheMiddle) {
  const std::string body = part(slice_) + part(other_).substr(0, 300);
  const auto line = fetch_error({"2.25.100", "2.25.101"},
                                fmt::format("HTTP/1.1 200 X\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                                            parts_type, body.size() + 500, body));
  EXPECT_CONTAINS(line, "/w: ");
  EXPECT_EQ(files(), std::set<std::string>{"2.25.100.dcm"});
  EXPECT_EQ(read_file(out_ / "2.25.100.dcm"), slice_);
}

TEST_F(UnwellFetch, EndsWithoutTheLastDelimiter) {
  EXPECT_CONTAINS(fetch_error({"2.25.100"}, http(200, parts_type, part(slice_))), "broke off before its end");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(UnwellFetch, SendsHalfAnInstance) {
  EXPECT_CONTAINS(
      fetch_error({"2.25.100"}, http(200, parts_type, part(slice_.substr(0, slice_.size() - 2)) + "\r\n--b--")),
      "no whole DICOM file");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(UnwellFetch, SendsWhatWasNotAskedFor) {
  EXPECT_CONTAINS(fetch_error({"2.25.100"}, http(200, parts_type, part(other_) + "\r\n--b--")),
                  "instance 2.25.101, which was not asked for");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(UnwellFetch, SendsLessThanItHas) {
  EXPECT_CONTAINS(fetch_error({"2.25.100", "2.25.101"}, http(200, parts_type, part(slice_) + "\r\n--b--")),
                  "1 of 2 instances did not arrive");
  EXPECT_EQ(files(), std::set<std::string>{"2.25.100.dcm"});
}

TEST_F(UnwellFetch, SendsSomethingElse) {
  EXPECT_CONTAINS(fetch_error({"2.25.100"}, http(200, "text/html", "<html>")), "answers text/html, expected multipart");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(UnwellFetch, WhatCannotBeTakenKeepsNothingElseBack) {
  const auto line =
      fetch_error({"2.25.100", "2.25.101"},
                  http(200, parts_type, part(other_.substr(0, other_.size() - 2)) + part(slice_) + "\r\n--b--"));
  EXPECT_CONTAINS(line,
                  "1 of 2 instances did not arrive, the first of them 2.25.101 (the server sent something that is");
  EXPECT_EQ(files(), std::set<std::string>{"2.25.100.dcm"});
}

TEST_F(UnwellFetch, SendsTheSameWithoutEnd) {
  std::string body = part(slice_);
  for (int i = 0; i < 10; ++i) body += part(slice_);
  const TinyServer twice(series_with({"2.25.100"}, [&] { return http(200, parts_type, body + "\r\n--b--"); }));
  EXPECT_EQ(Archive(web(twice)).fetch({.study = "2.25.1", .uid = "2.25.2"}, out_).instances, 1U);
  fs::remove_all(out_);
  for (int i = 0; i < 10; ++i) body += part(slice_);
  EXPECT_CONTAINS(fetch_error({"2.25.100"}, http(200, parts_type, body + "\r\n--b--")),
                  "the server goes on sending what is not wanted");
}

TEST_F(UnwellFetch, OneThatTheServerCannotGiveKeepsNothingElseBack) {
  fs::create_directory(out_);
  write_file(out_ / "2.25.102.dcm", test::ct_slice(2).bytes());
  const TinyServer server([&](const std::string& request) {
    if (request.find("/instances?") != std::string::npos) {
      return http(200, json_type, uids_json("00080018", {"2.25.100", "2.25.101", "2.25.102"}));
    }
    if (request.find("/2.25.100 ") != std::string::npos) return http(500, "text/plain", "lost");
    return http(200, parts_type, part(other_) + "\r\n--b--");
  });
  EXPECT_CONTAINS(error_of([&] { Archive(web(server)).fetch({.study = "2.25.1", .uid = "2.25.2"}, out_); }),
                  "1 of 3 instances did not arrive, the first of them 2.25.100");
  EXPECT_EQ(read_file(out_ / "2.25.101.dcm"), other_);
}

TEST_F(UnwellFetch, NamesAnInstanceAfterAnotherFolder) {
  EXPECT_CONTAINS(fetch_error({"../../evil"}, ""), "is not one");
  EXPECT_FALSE(fs::exists(folder_ / "evil.dcm"));
}

TEST_F(UnwellFetch, OnlyTheMissingOneIsFetched) {
  fs::create_directory(out_);
  write_file(out_ / "2.25.100.dcm", slice_);
  write_file(out_ / "2.25.101.dcm", other_.substr(0, other_.size() - 2));  // not by us: ours are whole
  const TinyServer server(
      series_with({"2.25.100", "2.25.101"}, [&] { return http(200, parts_type, part(other_) + "\r\n--b--"); }));
  const auto [instances, there_before] = Archive(web(server)).fetch({.study = "2.25.1", .uid = "2.25.2"}, out_);
  EXPECT_EQ(instances, 2U);
  EXPECT_EQ(there_before, 1U);
  EXPECT_EQ(read_file(out_ / "2.25.101.dcm"), other_);
  EXPECT_CONTAINS(server.requests().back(), "GET /w/studies/2.25.1/series/2.25.2/instances/2.25.101 ");
}

TEST_F(UnwellFetch, ServersOfOlderEditionsKnowNoAnyTransferSyntax) {
  const TinyServer server([&](const std::string& request) {
    if (request.find("/instances?") != std::string::npos)
      return http(200, json_type, uids_json("00080018", {"2.25.100"}));
    if (request.find("transfer-syntax=*") != std::string::npos) return http(406, "text/plain", "what?");
    return http(200, parts_type, part(slice_) + "\r\n--b--");
  });
  EXPECT_EQ(Archive(web(server)).fetch({.study = "2.25.1", .uid = "2.25.2"}, out_).instances, 1U);
}

/// What `store` tells of slice 0 when the server answers so.
Answer store_answer(int status, const std::string& body) {
  const test::TemporaryFolder folder;
  write_file(folder / "a.dcm", test::ct_slice(0).bytes());
  const TinyServer server([&](const std::string&) { return http(status, json_type, body); });
  Answer told;
  Archive(web(server)).store({folder / "a.dcm"}, [&](const Answer& answer) { told = answer; });
  EXPECT_CONTAINS(server.requests().at(0), "multipart/related; type=\"application/dicom\"; boundary=");
  EXPECT_EQ(server.requests().at(0).find("a.dcm"), std::string::npos) << "the file's name is nobody's affair";
  return told;
}

TEST(UnwellStore, EachAnswerIsTold) {
  const std::string instance = R"("00081155": {"vr": "UI", "Value": ["2.25.100"]})";
  const auto stored = store_answer(200, R"({"00081199": {"vr": "SQ", "Value": [{)" + instance + "}]}}");
  EXPECT_EQ(stored.outcome, Answer::Outcome::stored);
  EXPECT_EQ(stored.words, "");
  const auto warned = store_answer(202, R"({"00081199": {"vr": "SQ", "Value": [{)" + instance +
                                            R"(, "00081196": {"vr": "US", "Value": [45056]}}]}})");
  EXPECT_EQ(warned.outcome, Answer::Outcome::warning);
  EXPECT_CONTAINS(warned.words, "B000H");
  const auto refused = store_answer(
      409, R"({"00081198": {"vr": "SQ", "Value": [{)" + instance + R"(, "00081197": {"vr": "US", "Value": [272]}}]}})");
  EXPECT_EQ(refused.outcome, Answer::Outcome::failed);
  EXPECT_CONTAINS(refused.words, "0110H");
  EXPECT_EQ(store_answer(200, "{}").outcome, Answer::Outcome::failed);
}

TEST(UnwellStore, TakesNoLargeRequest) {
  const test::TemporaryFolder folder;
  std::vector<fs::path> files;
  for (int n = 0; n < 3; ++n) {
    files.push_back(folder / fmt::format("{}.dcm", n));
    write_file(files.back(), test::ct_slice(n).bytes());
  }
  const TinyServer server([&](const std::string& request) {
    std::vector<std::string> there;
    for (int n = 0; n < 3; ++n) {
      const std::string uid = fmt::format("2.25.{}", 100 + n);
      if (request.find(uid) != std::string::npos) there.push_back(uid);
    }
    if (there.size() > 1) return http(413, "text/html", "too large");
    return http(
        200, json_type,
        R"({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [")" + there.at(0) + "\"]}}]}}");
  });
  std::vector<std::string> stored;
  Archive(web(server)).store(files, [&](const Answer& answer) {
    if (answer.outcome == Answer::Outcome::stored) stored.push_back(answer.instance);
  });
  EXPECT_EQ(stored, (std::vector<std::string>{"2.25.100", "2.25.101", "2.25.102"}));
}

TEST(UnwellStore, RefusesAltogether) {
  const test::TemporaryFolder folder;
  write_file(folder / "a.dcm", test::ct_slice(0).bytes());
  const TinyServer server([&](const std::string&) { return http(403, "text/plain", "not you"); });
  EXPECT_CONTAINS(error_of([&] { Archive(web(server)).store({folder / "a.dcm"}, [](const Answer&) {}); }),
                  "store: the server answers 403 (not you); set PULMOSEG_PACS_USER");
}

}  // namespace
}  // namespace pulmoseg::pacs
