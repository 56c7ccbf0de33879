// What pulmoseg makes of a scan, a segmentation and a report, stored in archives and fetched again: the same in each element.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "dcmqrscp.hpp"
#include "dicom/objects.hpp"
#include "orthanc.hpp"
#include "pulmoseg/pacs/archive.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using pacs::Archive;
using pacs::Server;

/// Each element as "path VR value"; binary values as numbers.
void list_elements(DcmItem& item, const std::string& path, std::vector<std::string>& elements) {
  for (unsigned long i = 0; i < item.card(); ++i) {
    DcmElement* element = item.getElement(i);
    const std::string name = path + element->getTag().toString().c_str();
    OFString value;
    if (element->isLeaf()) {
      EXPECT_TRUE(element->getOFStringArray(value).good()) << name;
      elements.push_back(fmt::format("{} {} {}", name, element->getTag().getVRName(), value.c_str()));
      continue;
    }
    auto* sequence = dynamic_cast<DcmSequenceOfItems*>(element);
    ASSERT_NE(sequence, nullptr) << name;
    elements.push_back(fmt::format("{} {} items", name, sequence->card()));
    for (unsigned long n = 0; n < sequence->card(); ++n) {
      list_elements(*sequence->getItem(n), fmt::format("{}[{}]", name, n), elements);
    }
  }
}

std::vector<std::string> elements_of(const fs::path& file) {
  DcmFileFormat content;
  std::vector<std::string> elements;
  EXPECT_TRUE(content.loadFile(file.c_str(), EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_autoDetect).good());
  list_elements(*content.getDataset(), "", elements);
  return elements;
}

class Results : public Objects {
 protected:
  void SetUp() override {
    Objects::SetUp();
    const auto from = source();
    const dicom::Case of{.source = from, .algorithm = algorithm};
    write_report(of, write_segmentation(of));
    for (const char* name : {"seg.dcm", "sr.dcm"}) {
      made_[text(load(folder_ / name), DCM_SOPInstanceUID)] = elements_of(folder_ / name);
    }
    ASSERT_EQ(made_.size(), 2U);
  }

  void store(const Server& server) {
    std::size_t stored = 0;
    Archive(server).store({folder_ / "seg.dcm", folder_ / "sr.dcm"}, [&](const pacs::Answer& answer) {
      EXPECT_EQ(answer.outcome, pacs::Answer::Outcome::stored) << answer.words;
      ++stored;
    });
    EXPECT_EQ(stored, 2U);
  }

  void expect_the_same_from(const Server& server) {
    const test::TemporaryFolder out;
    Archive archive(server);
    const auto found = archive.find({.patient_id = "P1"});
    EXPECT_EQ(found.size(), 2U) << server.name;
    std::map<std::string, std::vector<std::string>> fetched;
    for (const auto& series : found) {
      EXPECT_TRUE(series.modality == "SEG" || series.modality == "SR") << series.modality;
      archive.fetch(series, out / series.uid);
      for (const auto& entry : fs::directory_iterator(out / series.uid)) {
        fetched[entry.path().stem()] = elements_of(entry);
      }
    }
    EXPECT_EQ(fetched, made_) << server.name << (server.move ? " by C-MOVE" : "");
  }

  static Server by_move(Server server, std::uint16_t port) {
    server.move = {.ae_title = "PULMOSEG", .port = port};
    return server;
  }

  std::map<std::string, std::vector<std::string>> made_;  // by instance UID
};

TEST_F(Results, ComeBackFromOrthancByEachWay) {
  PULMOSEG_REQUIRE_ORTHANC();
  for (const bool by_web : {true, false}) {
    const test::Orthanc orthanc;
    const auto web = pacs::parse_address(orthanc.web()).server, node = pacs::parse_address(orthanc.dicom()).server;
    store(by_web ? web : node);
    for (const auto& server : {web, node, by_move(node, orthanc.move_port())}) expect_the_same_from(server);
  }
}

TEST_F(Results, ComeBackFromDcmqrscp) {
  if (!test::has_dcmqrscp()) GTEST_SKIP() << "needs Debian's dcmtk";
  const test::Dcmqrscp archive;
  const auto node = pacs::parse_address(archive.dicom()).server;
  store(node);
  for (const auto& server : {node, by_move(node, archive.move_port())}) expect_the_same_from(server);
}

}  // namespace
}  // namespace pulmoseg
