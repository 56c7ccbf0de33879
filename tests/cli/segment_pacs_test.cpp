// pulmoseg segment with picture archives: studies out of Debian's Orthanc, results into it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "inference/tiny_network.hpp"
#include "pacs/orthanc.hpp"
#include "pacs/tiny_server.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/pacs/archive.hpp"
#include "support/contains.hpp"
#include "support/dicom.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Names = std::vector<std::string>;

constexpr int interrupted = 130;

/// Slice `n` of study 2.25.`study`, series 2.25.`series`; of a localizer, if that is said.
test::DicomFile slice_of(int study, int series, int n, bool localizer = false) {
  auto slice = test::ct_slice(n);
  slice.put(0x0020000d, "UI", fmt::format("2.25.{}", study)).put(0x0020000e, "UI", fmt::format("2.25.{}", series));
  slice.put(0x00080018, "UI", fmt::format("2.25.{}{}", series, n)).put(0x00200011, "IS", fmt::format("{}", series));
  if (localizer) slice.put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER");
  return slice;
}

class SegmentPacs : public testing::Test {
 protected:
  SegmentPacs() { onnx::write(test::threshold_network(50, 0.5, 32), model_); }

  test::ProgramResult segment(Names arguments, const std::function<bool()>& interrupt_when = {}) const {
    arguments.insert(arguments.begin(), "segment");
    arguments.insert(arguments.end(), {"--model", model_.string(), "--out", out_.string()});
    return test::run_program(arguments, interrupt_when);
  }

  /// What lies in the folder of results, hidden files too.
  Names results() const {
    Names names;
    for (const auto& entry : fs::directory_iterator(out_)) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

  test::TemporaryFolder folder_;
  fs::path model_ = folder_ / "model.onnx", out_ = folder_ / "out";
};

class SegmentOrthanc : public SegmentPacs {
 protected:
  void SetUp() override {
    PULMOSEG_REQUIRE_ORTHANC();
    orthanc_ = std::make_unique<test::Orthanc>();
  }

  /// Each has a volume, a localizer and a report.
  void store_studies(int count) {
    const test::TemporaryFolder scans;
    const auto keep = [&](const test::DicomFile& file, const std::string& name) {
      write_file(scans / (name + ".dcm"), file.bytes());
    };
    for (int study = 1; study <= count; ++study) {
      for (int n = 0; n < 3; ++n) keep(slice_of(study, 10 + study, n), fmt::format("{}-{}", study, n));
      keep(slice_of(study, 20 + study, 0, true), fmt::format("{}-localizer", study));
      keep(slice_of(study, 30 + study, 0)
               .put(0x00080060, "CS", "SR")
               .put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.34"),
           fmt::format("{}-report", study));
    }
    pacs::Archive archive(pacs::parse_address(orthanc_->web()).server);
    archive.store(pacs::find_dicom_files({scans.path()}), [](const pacs::Answer& answer) {
      EXPECT_EQ(answer.outcome, pacs::Answer::Outcome::stored) << answer.words;
    });
  }

  /// Modalities of the study's series.
  Names modalities(const std::string& study) const {
    Names all;
    pacs::Archive archive(pacs::parse_address(orthanc_->web()).server);
    for (const auto& series : archive.find({.study = study})) all.push_back(series.modality);
    std::ranges::sort(all);
    return all;
  }

  std::unique_ptr<test::Orthanc> orthanc_;
};

const Names before{"CT", "CT", "SR"}, after{"CT", "CT", "SEG", "SR", "SR"};

TEST_F(SegmentOrthanc, TakesAStudyAndStoresWhatItFoundByEachProtocol) {
  store_studies(2);
  const Names addresses{orthanc_->web() + "/studies/2.25.1", orthanc_->dicom() + "/studies/2.25.2"};
  for (int study = 1; study <= 2; ++study) {
    fs::remove_all(out_);
    const std::string name = fmt::format("2.25.{}", study), address = addresses.at(static_cast<std::size_t>(study - 1));
    const auto result = segment({address, "--push"});
    ASSERT_EQ(result.exit_code, 0) << result.messages;
    EXPECT_CONTAINS(result.output, name + ": pushed to " + address.substr(0, address.find("/studies")));
    EXPECT_EQ(results(), (Names{name + ".html", name + ".json", name + ".png", name + "_pushed.csv", name + "_seg.dcm",
                                name + "_sr.dcm", "cohort.csv", "cohort.html"}));
    EXPECT_EQ(modalities(name), after);
    const Json measured = Json::parse(read_file(out_ / (name + ".json")));
    EXPECT_EQ(measured["image"], name);
    EXPECT_EQ(measured["grid"]["size"], Json({4, 3, 3}));
    EXPECT_EQ(measured["study"]["series_instance_uid"], fmt::format("2.25.{}", 10 + study));
    EXPECT_CONTAINS(measured["notes"].dump(), "localizer");
    EXPECT_EQ((result.output + result.messages).find("Doe"), std::string::npos);
  }
}

TEST_F(SegmentOrthanc, WhatWasPushedComesBackAsItWasWritten) {
  store_studies(1);
  ASSERT_EQ(segment({orthanc_->web() + "/studies/2.25.1", "--push", "--json"}).exit_code, 0);
  pacs::Archive archive(pacs::parse_address(orthanc_->web()).server);
  int compared = 0;
  for (const auto& series : archive.find({.study = "2.25.1"})) {
    if (series.modality != "SEG" && series.description != "pulmoseg measurements") continue;
    archive.fetch(series, folder_ / series.uid);
    for (const auto& file : pacs::find_dicom_files({folder_ / series.uid})) {
      const auto tail = [](const std::string& bytes) {
        return bytes.substr(bytes.size() / 4);
      };  // group 2 is each hop's
      const auto* ending = series.modality == "SEG" ? "_seg.dcm" : "_sr.dcm";
      const std::string mine = read_file(out_ / ("2.25.1" + std::string(ending))), theirs = read_file(file);
      EXPECT_TRUE(theirs.ends_with(tail(mine))) << ending;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 2);
}

TEST_F(SegmentOrthanc, ASeriesIsChosenByItsAddressOrByItsNumber) {
  store_studies(1);
  const auto series = segment({orthanc_->dicom() + "/studies/2.25.1/series/2.25.11"});
  ASSERT_EQ(series.exit_code, 0) << series.messages;
  EXPECT_TRUE(fs::exists(out_ / "2.25.11_lesion.nii.gz"));
  EXPECT_EQ(Json::parse(read_file(out_ / "2.25.11.json"))["notes"].dump().find("series_left_out"), std::string::npos);
  EXPECT_EQ(segment({orthanc_->web() + "/studies/2.25.1", "--series", "11"}).exit_code, 0);
  const auto moved = segment({orthanc_->dicom() + "/studies/2.25.1", "--overwrite", "--move-to", "PULMOSEG", "--listen",
                              fmt::format("{}", orthanc_->move_port())});
  EXPECT_EQ(moved.exit_code, 0) << moved.messages;
  const auto none = segment({orthanc_->web() + "/studies/2.25.1", "--series", "12", "--overwrite"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_CONTAINS(none.messages, "--series 12 stands for none of its series: CT 11 \"Lung 2.5\"; CT 21 \"Lung 2.5\"");
  EXPECT_EQ(modalities("2.25.1"), before) << "nothing was to be pushed";
}

TEST_F(SegmentOrthanc, WhatIsNotThereIsToldAndTheOthersGoOn) {
  store_studies(1);
  const std::string study = orthanc_->web() + "/studies/2.25.1", missing = orthanc_->web() + "/studies/2.25.9";
  write_file(folder_ / "list.csv", "image,case\n" + missing + ",\n" + study + ",first\n");
  const auto result = segment(
      {(folder_ / "list.csv").string(), study + "/series/2.25.31", orthanc_->dicom() + "/studies/2.25.8", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const Json printed = Json::parse(result.output);
  EXPECT_EQ(printed["cases"].size(), 1U);
  EXPECT_EQ(printed["cases"][0]["case"], "first");
  EXPECT_EQ(printed["cases"][0]["input"], study);
  EXPECT_EQ(printed["failed"][0]["error"], missing + ": the archive has no such study");
  EXPECT_CONTAINS(printed["failed"][1]["error"].get<std::string>(), study + "/series/2.25.31: holds no CT but SR 31");
  EXPECT_EQ(printed["failed"][2]["error"], orthanc_->dicom() + "/studies/2.25.8: the archive has no such study");
  EXPECT_EQ(results(),
            (Names{"cohort.csv", "cohort.html", "first.html", "first.json", "first.png", "first_lesion.nii.gz"}));
}

TEST_F(SegmentOrthanc, SeveralVolumesAreListedByTheAddress) {
  store_studies(1);
  const test::TemporaryFolder more;
  for (int n = 0; n < 3; ++n) write_file(more / fmt::format("{}.dcm", n), slice_of(1, 12, n).bytes());
  ASSERT_EQ(test::run_program({"push", orthanc_->web(), more.path().string()}).exit_code, 0);
  const auto result = segment({orthanc_->web() + "/studies/2.25.1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "pulmoseg: " + orthanc_->web() + "/studies/2.25.1: holds 2 CT series: 11 ");
  EXPECT_TRUE(results().empty());
}

TEST_F(SegmentOrthanc, WhatWasNotPushedResumeSends) {
  store_studies(2);
  const auto refuses = [](const std::string&) { return test::http(503, "text/plain", "full"); };
  const test::TinyServer full(refuses);
  const std::string elsewhere = fmt::format("http://127.0.0.1:{}/w", full.port());
  const Names studies{orthanc_->web() + "/studies/2.25.1", orthanc_->web() + "/studies/2.25.2"};
  const auto refused = segment({studies[0], studies[1], "--push", elsewhere});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_CONTAINS(refused.messages, "error: 2.25.1: is finished but was not pushed: " + elsewhere);
  EXPECT_CONTAINS(refused.messages, "`pulmoseg push` sends them, and so does this command with --resume");
  EXPECT_CONTAINS(refused.messages, "2 of 2 cases failed");
  EXPECT_TRUE(fs::exists(out_ / "2.25.2_sr.dcm"));
  EXPECT_TRUE(fs::exists(out_ / "cohort.html"));
  EXPECT_FALSE(fs::exists(out_ / "2.25.1_pushed.csv"));

  const test::TinyServer silent([](const std::string&) { return test::http(202, "application/dicom+json", "{}"); });
  const auto untold = segment({studies[0], "--push", fmt::format("http://127.0.0.1:{}/w", silent.port()), "--resume"});
  EXPECT_EQ(untold.exit_code, 1);
  EXPECT_CONTAINS(untold.messages, "2 of 2 files were not stored (2.25.1_seg.dcm: the server says nothing of it; …)");

  const std::string segmentation = read_file(out_ / "2.25.1_seg.dcm");
  const auto resumed = segment({studies[0], studies[1], "--push", "--resume", "--json"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.messages;
  const Json printed = Json::parse(resumed.output);
  EXPECT_TRUE(printed["cases"].empty());
  EXPECT_EQ(printed["pushed"][1], (Json{{"case", "2.25.2"}, {"server", orthanc_->web()}}));
  EXPECT_EQ(read_file(out_ / "2.25.1_seg.dcm"), segmentation) << "nothing is computed again";
  EXPECT_EQ(modalities("2.25.1"), after);
  EXPECT_EQ(modalities("2.25.2"), after);
  EXPECT_EQ(Json::parse(segment({studies[0], studies[1], "--push", "--resume", "--json"}).output)["pushed"].size(), 0U);

  // What is made again is sent again.
  ASSERT_EQ(segment({studies[0], "--format", "dicom-seg", "--overwrite"}).exit_code, 0);
  EXPECT_EQ(Json::parse(segment({studies[0], "--push", "--resume", "--json"}).output)["pushed"].size(), 1U);
}

TEST_F(SegmentOrthanc, WorkersFetchAndPushAndClearWhatAKilledRunLeft) {
  store_studies(3);
  Names arguments;
  for (int study = 1; study <= 3; ++study) {
    arguments.push_back(fmt::format("{}/studies/2.25.{}", study == 2 ? orthanc_->dicom() : orthanc_->web(), study));
    fs::create_directories(out_ / fmt::format(".2.25.{}.fetched/2.25.99", study));
    write_file(out_ / fmt::format(".2.25.{}.fetched/2.25.99/2.25.999.dcm", study), slice_of(study, 99, 9).bytes());
  }
  arguments.insert(arguments.end(), {"--push", "--workers", "2"});
  const auto result = segment(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  for (int study = 1; study <= 3; ++study) EXPECT_EQ(modalities(fmt::format("2.25.{}", study)), after);
  for (const auto& name : results()) EXPECT_FALSE(name.ends_with(".fetched")) << name;
}

TEST_F(SegmentOrthanc, LocalScansArePushedToo) {
  store_studies(1);
  test::write_ct_series(folder_ / "ct", 3);
  const auto result =
      segment({(folder_ / "ct").string(), "--push", orthanc_->dicom() + "/", "--new-uids", "--deidentify"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const std::string study = Json::parse(read_file(out_ / "ct.json"))["study"]["study_instance_uid"];
  EXPECT_EQ(modalities(study), (Names{"CT", "SEG", "SR"})) << "the copies on which they lie, too";
}

TEST_F(SegmentOrthanc, NewUidsHideTheOldOnesInTheNamesToo) {
  store_studies(1);
  const std::string study = orthanc_->web() + "/studies/2.25.1";
  const auto refused = segment({study, "--format", "dicom-seg", "--new-uids"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_CONTAINS(refused.messages, "would be called by the UID that --new-uids hides; name the case in a list");
  write_file(folder_ / "list.csv", "image,case\n" + study + ",first\n");
  const auto result = segment({(folder_ / "list.csv").string(), "--format", "dicom-seg", "--new-uids"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_EQ(Json::parse(read_file(out_ / "first.json"))["image"], "first");
  for (const auto& name : results()) EXPECT_EQ(name.find("2.25.1"), std::string::npos) << name;
}

TEST_F(SegmentOrthanc, OverTls) {
  const test::TestCertificates certificates;
  orthanc_ = std::make_unique<test::Orthanc>(test::OrthancOptions{.certificates = &certificates});
  test::write_ct_series(folder_ / "ct", 3);
  const Names trust{"--ca",  (certificates / "ca.pem").string(),    "--cert", (certificates / "client.pem").string(),
                    "--key", (certificates / "client.key").string()};
  const auto with_trust = [&](Names arguments) {
    arguments.insert(arguments.end(), trust.begin(), trust.end());
    return arguments;
  };
  ASSERT_EQ(test::run_program(with_trust({"push", orthanc_->dicom(), (folder_ / "ct").string()})).exit_code, 0);
  const auto result = segment(with_trust({orthanc_->dicom() + "/studies/2.25.1", "--push", orthanc_->web()}));
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  const auto again = segment(with_trust({orthanc_->web() + "/studies/2.25.1", "--push", "--overwrite"}));
  EXPECT_EQ(again.exit_code, 0) << again.messages;
  const auto listed = test::run_program(with_trust({"pull", orthanc_->web(), "--study", "2.25.1", "--list", "--json"}));
  EXPECT_EQ(Json::parse(listed.output)["series"].size(), 5U) << "CT, twice SEG and SR";
}

TEST_F(SegmentPacs, AnArchiveThatCannotBeReachedIsOneLine) {
  const auto port = test::free_port();
  for (const std::string& server :
       {fmt::format("http://127.0.0.1:{}/w", port), fmt::format("dicom://X@127.0.0.1:{}", port)}) {
    const auto result = segment({server + "/studies/2.25.1", "--push"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_TRUE(result.messages.starts_with("pulmoseg: " + server + "/studies/2.25.1: ")) << result.messages;
    EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1);
    EXPECT_TRUE(results().empty());
  }
}

TEST_F(SegmentPacs, CtrlCStopsAFetchAndLeavesNothing) {
  const test::TinyServer server([](const std::string&) { return "silence"; });
  for (const std::string scheme : {"http://127.0.0.1:", "dicom://X@127.0.0.1:"}) {
    const auto asked = server.requests().size();
    const auto result = segment({scheme + std::to_string(server.port()) + "/studies/2.25.1"},
                                [&] { return server.requests().size() > asked; });
    EXPECT_EQ(result.exit_code, interrupted) << result.messages;
    EXPECT_TRUE(results().empty());
  }
}

TEST_F(SegmentPacs, WrongUsageIsExplained) {
  test::write_ct_series(folder_ / "ct", 2);
  const std::string ct = (folder_ / "ct").string(), study = "http://h/w/studies/2.25.1";
  const auto message_of = [&](const Names& arguments) {
    const auto result = segment(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.messages;
    return result.messages;
  };
  EXPECT_CONTAINS(message_of({"https://h/w"}), "names no study; expected https://h/w/studies/UID");
  EXPECT_CONTAINS(message_of({"http://h/w/studies/x"}), "what follows /studies/ is no UID");
  EXPECT_CONTAINS(message_of({study, study + "/"}), "is named twice among the inputs");
  EXPECT_CONTAINS(message_of({ct, "--push"}), "ct: is from no archive, so --push must say to which one");
  EXPECT_CONTAINS(message_of({ct, "--push", study}), "names a study, expected the server alone");
  EXPECT_CONTAINS(message_of({ct, "--push", "results"}), "is no address of a server");
  EXPECT_CONTAINS(message_of({study, "--push", "--format", "nii.gz"}), "--push: sends DICOM objects");
  EXPECT_CONTAINS(message_of({study, "--ca", model_.string()}), "are for https://");
  EXPECT_CONTAINS(message_of({ct, "--move-to", "A", "--listen", "9"}), "--move-to is for dicom://");
  EXPECT_CONTAINS(message_of({"dicom://P@h/studies/1", "--move-to", "A", "--listen", "9", "--workers", "2"}),
                  "listens on one port");
}

}  // namespace
}  // namespace pulmoseg
