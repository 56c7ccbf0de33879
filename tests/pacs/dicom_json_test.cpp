// pacs/dicom_json: what QIDO-RS and STOW-RS answer.

#include "pulmoseg/pacs/dicom_json.hpp"

#include <gtest/gtest.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::pacs {
namespace {

TEST(DicomJson, GivesFirstValuesByTag) {
  const auto found = parse_data_sets(R"([{
      "0020000D": {"vr": "UI", "Value": ["1.2"]},
      "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^J\u00e4ne", "Ideographic": "x"}]},
      "00201209": {"vr": "IS", "Value": [79, 80]},
      "00080060": {"vr": "CS", "Value": [" CT\u0000\u001b[31m "]},
      "00080050": {"vr": "SH"}, "00080090": {"vr": "PN", "Value": [null]}, "00081110": {"vr": "SQ", "Value": [{}]},
      "Odd": 3}, {}])");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], (Attributes{{tag::study, "1.2"},
                                  {tag::patient_name, "Doe^Jäne"},
                                  {tag::series_instances, "79"},
                                  {tag::modality, "CT [31m"}}));
  EXPECT_TRUE(found[1].empty());
}

TEST(DicomJson, RefusesWhatIsNone) {
  for (const char* none : {"", "<html>", "{}", "[1]", "[", "null", "[{}"})
    EXPECT_THROW(parse_data_sets(none), Error) << none;
  for (const char* none : {"", "<html>", "3", "[1, 2]"}) EXPECT_THROW(parse_store_answer(none), Error) << none;
}

TEST(DicomJson, TellsWhatWasStored) {
  const auto answer = parse_store_answer(R"({
      "00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.1"]}},
                                         {"00081155": {"vr": "UI", "Value": ["1.2"]},
                                          "00081196": {"vr": "US", "Value": [45056]}}]},
      "00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.3"]},
                                          "00081197": {"vr": "US", "Value": [272]}}]}})");
  EXPECT_EQ(answer.stored, (std::map<std::string, int>{{"1.1", 0}, {"1.2", 0xb000}}));
  EXPECT_EQ(answer.failed, (std::map<std::string, int>{{"1.3", 272}}));
  EXPECT_TRUE(parse_store_answer(R"({"00081199": {"vr": "SQ"}})").stored.empty());
}

TEST(DicomJson, ListsInListsWithoutEndEndNothing) {
  const int levels = 500'000;
  const std::string deep = std::string(levels, '[') + std::string(levels, ']');
  EXPECT_THROW(parse_store_answer(deep), Error);
  EXPECT_THROW(parse_data_sets(deep), Error);
  EXPECT_EQ(parse_data_sets(R"([{"00100020": {"vr": "LO", "Value": )" + deep + "}}]").size(), 1U);
}

}  // namespace
}  // namespace pulmoseg::pacs
