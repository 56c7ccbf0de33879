// pulmoseg pull and push as a user runs them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "orthanc.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/dicom.hpp"
#include "tiny_server.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::run_program;

constexpr int interrupted = 130;

class PacsProgram : public testing::Test {
 protected:
  PacsProgram() {
    fs::create_directory(scan_);
    test::write_ct_series(scan_, 3);
  }

  test::TemporaryFolder folder_;
  fs::path scan_ = folder_ / "scan", out_ = folder_ / "out";
};

TEST_F(PacsProgram, PushesListsAndPulls) {
  PULMOSEG_REQUIRE_ORTHANC();
  const test::Orthanc orthanc;
  for (const auto& server : {orthanc.web(), orthanc.dicom()}) {
    const auto pushed = run_program({"push", server, scan_.string(), "--json"});
    EXPECT_EQ(pushed.exit_code, 0) << pushed.messages;
    EXPECT_EQ(Json::parse(pushed.output)["files"].size(), 3U);
    EXPECT_EQ(Json::parse(pushed.output)["files"][0]["outcome"], "stored");

    const auto listed = run_program({"pull", server, "--patient-id", "P1", "--list"});
    EXPECT_EQ(listed.exit_code, 0) << listed.messages;
    EXPECT_CONTAINS(listed.output, "20240229 2.25.1 patient P1, accession A17, Chest\n");
    EXPECT_CONTAINS(listed.output, "  CT      3      3 2.25.2  Lung 2.5");
    EXPECT_EQ(listed.output.find("Doe"), std::string::npos);
    const auto named = run_program({"pull", server, "--patient-id", "P1", "--list", "--show-names"});
    EXPECT_CONTAINS(named.output, "Doe^Jane");

    const auto out = out_ / server.substr(0, 4);
    const auto pulled = run_program({"pull", server + "/studies/2.25.1", "--out", out.string(), "--json"});
    EXPECT_EQ(pulled.exit_code, 0) << pulled.messages;
    const Json json = Json::parse(pulled.output);
    EXPECT_EQ(json["series"][0]["folder"], (out / "2.25.2").string());
    EXPECT_EQ(json["series"][0]["instances"], 3);
    EXPECT_EQ((pulled.output + pulled.messages).find("Doe"), std::string::npos);
    EXPECT_TRUE(fs::exists(out / "2.25.2/2.25.102.dcm"));
    if (server.starts_with("dicom")) {
      const auto moved =
          run_program({"pull", server + "/studies/2.25.1", "--out", (out_ / "moved").string(), "--move-to", "PULMOSEG",
                       "--listen", std::to_string(orthanc.move_port()), "--listen-on", "127.0.0.1"});
      EXPECT_EQ(moved.exit_code, 0) << moved.messages;
      EXPECT_CONTAINS(moved.output, "3 instances of CT (0 there before)");
    }
    const auto again = run_program({"pull", server, "--accession", "A17", "--out", out.string()});
    EXPECT_CONTAINS(again.output, "3 instances of CT (3 there before)");
  }
}

TEST_F(PacsProgram, TellsWhenThereIsNothing) {
  PULMOSEG_REQUIRE_ORTHANC();
  const test::Orthanc orthanc;
  const auto result = run_program({"pull", orthanc.web(), "--patient-id", "P2", "--out", out_.string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "has no CT series that matches exactly");
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(PacsProgram, RefusedFilesAreToldOneByOne) {
  const test::TinyServer server([](const std::string&) {
    return test::http(202, "application/dicom+json", R"({
        "00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["2.25.100"]}}]},
        "00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["2.25.101"]},
                                            "00081197": {"vr": "US", "Value": [42752]}}]}})");
  });
  const auto result = run_program({"push", "http://127.0.0.1:" + std::to_string(server.port()) + "/w", scan_.string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.output, "IMG9.dcm: stored");
  EXPECT_CONTAINS(result.messages, "IMG8.dcm: refused with reason A700H");
  EXPECT_CONTAINS(result.messages, "IMG7.dcm: the server says nothing of it");
  EXPECT_CONTAINS(result.messages, "2 of 3 files were not stored");
}

TEST_F(PacsProgram, FilesBehindTheOneAtWhichTheServerBrokeOffAreNamed) {
  const test::TinyServer server([](const std::string&) { return test::http(503, "text/plain", "tired"); });
  const auto result =
      run_program({"push", "http://127.0.0.1:" + std::to_string(server.port()) + "/w", scan_.string(), "--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "the server answers 503 (tired); 3 of 3 files were not stored, the first of them ");
  const Json files = Json::parse(result.output)["files"];
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[2]["outcome"], "failed");
}

TEST_F(PacsProgram, ASeriesThatCannotBeHadKeepsTheNextOneNotBack) {
  const test::TinyServer server([](const std::string& request) {
    const auto answer = [](const std::string& body) { return test::http(200, "application/dicom+json", body); };
    const std::string study = R"("0020000D": {"vr": "UI", "Value": ["2.25.1"]})";
    const auto uid = [](const std::string& tag, const std::string& value) {
      return "\"" + tag + R"(": {"vr": "UI", "Value": [")" + value + "\"]}";
    };
    if (request.find("/instances?") != std::string::npos) {
      return answer("[{" + uid("00080018", request.find("/2.25.2/") == std::string::npos ? "2.25.100" : "2.25.900") +
                    "}]");
    }
    if (request.find("/series?") != std::string::npos) {
      return answer("[{" + uid("0020000E", "2.25.2") + "}, {" + uid("0020000E", "2.25.3") + "}]");
    }
    if (request.find("/studies?") != std::string::npos) return answer("[{" + study + "}]");
    if (request.find("/2.25.2 ") != std::string::npos) return test::http(500, "text/plain", "lost");
    return test::http(200, "multipart/related; boundary=b", "--b\r\n\r\n" + test::ct_slice(0).bytes() + "\r\n--b--");
  });
  const auto result = run_program({"pull", "http://127.0.0.1:" + std::to_string(server.port()) + "/w/studies/2.25.1",
                                   "--modality", "all", "--out", out_.string(), "--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "series 2.25.2: the server answers 500 (lost)");
  EXPECT_CONTAINS(result.messages, "1 of 2 series did not arrive whole");
  const Json series = Json::parse(result.output)["series"];
  EXPECT_TRUE(series[0]["there_before"].is_null());
  EXPECT_CONTAINS(series[0]["error"].get<std::string>(), "500");
  EXPECT_TRUE(series[1]["error"].is_null());
  EXPECT_TRUE(fs::exists(out_ / "2.25.3/2.25.100.dcm"));
}

TEST_F(PacsProgram, CtrlCStopsAtOnce) {
  const test::TinyServer server([](const std::string&) { return "silence"; });
  for (const std::string scheme : {"http://127.0.0.1:", "dicom://X@127.0.0.1:"}) {
    const auto asked = server.requests().size();
    const auto result = run_program({"pull", scheme + std::to_string(server.port()), "--patient-id", "P1", "--list"},
                                    [&] { return server.requests().size() > asked; });
    EXPECT_EQ(result.exit_code, interrupted) << result.messages;
  }
}

TEST_F(PacsProgram, WrongUsageIsExplained) {
  const auto message_of = [](const std::vector<std::string>& arguments) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.messages;
    return result.messages;
  };
  EXPECT_CONTAINS(message_of({"push", scan_.string(), "http://h/x"}), "is no address of a server");
  EXPECT_CONTAINS(message_of({"pull", "http://h/x", "--patient-id", "1"}), "--out FOLDER, or --list");
  EXPECT_CONTAINS(message_of({"pull", "http://h/x", "--out", "o"}), "a search needs a patient's ID");
  EXPECT_CONTAINS(message_of({"pull", "http://h/x", "--study", "1", "--out", "o", "--move-to", "A", "--listen", "99"}),
                  "--move-to is for dicom://");
  EXPECT_CONTAINS(message_of({"pull", "http://h/x/studies/1", "--study", "2", "--out", "o"}),
                  "--study and the address differ");
  EXPECT_CONTAINS(message_of({"pull", "http://h/x", "--study", "1", "--list", "--ca", "/dev/null"}),
                  "are for https://");
  EXPECT_CONTAINS(message_of({"pull", "dicom://P@h", "--study", "1", "--list", "--cert", "a"}), "--key");
  EXPECT_CONTAINS(message_of({"push", "http://h/x/studies/1", scan_.string()}), "expected the server alone");
}

TEST_F(PacsProgram, APasswordInTheClearIsWarnedOfAndNotShown) {
  const test::TinyServer server([](const std::string&) { return test::http(401, "text/plain", ""); });
  ::setenv("PULMOSEG_PACS_USER", "me", 1);
  ::setenv("PULMOSEG_PACS_PASSWORD", "secret", 1);
  const auto result =
      run_program({"pull", "http://127.0.0.1:" + std::to_string(server.port()) + "/w", "--patient-id", "P1", "--list"});
  ::unsetenv("PULMOSEG_PACS_USER");
  ::unsetenv("PULMOSEG_PACS_PASSWORD");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "unencrypted");
  EXPECT_EQ((result.messages + result.output).find("secret"), std::string::npos);
  EXPECT_CONTAINS(server.requests().at(0), "Authorization: Basic bWU6c2VjcmV0");
}

}  // namespace
}  // namespace pulmoseg
