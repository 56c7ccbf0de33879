#include "pulmoseg/report/measurement_report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

using Json = nlohmann::ordered_json;

quantify::Measurements measured(bool with_lung,
                                quantify::KnownSpacing known_spacing = quantify::KnownSpacing::complete) {
  const quantify::ScanFacts scan{.grid = {.size = {2, 1, 2}, .spacing = {0.5, 0.5, 4}}, .known_spacing = known_spacing};
  quantify::ScanMasks masks{masks::RunMask(scan.grid.size), {}};
  masks.lesion.set(0, std::vector<std::uint8_t>{1, 0});
  const std::vector<std::uint8_t> lung{1, 1, 1, 1};
  if (with_lung) masks.lung = masks::RunMask::of(lung, scan.grid.size);
  quantify::Measurer measurer(scan, std::move(masks));
  for (const std::int64_t k : {0, 1}) measurer.add_slice(k, std::vector<float>{-900, 100});
  return measurer.finish();
}

Provenance provenance() {
  return {.version = "1.2.3",
          .image = "/patients/Doe^Jane/scan.nii.gz",
          .lesion_mask = "masks/scan_lesion.nii.gz",
          .lung_mask = {},
          .model = "run/model.onnx",
          .model_sha256 = "abc",
          .model_metadata = {{"pulmoseg.classes", "background,lesion"}}};
}

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> all;
  for (const auto& [key, value] : json.items()) all.push_back(key);
  return all;
}

TEST(MeasurementsJson, HasTheKeysOfTheSchemaInOrder) {
  const Json json = Json::parse(measurements_json(measured(true), provenance()));
  EXPECT_EQ(keys(json), (std::vector<std::string>{"schema", "research_use", "pulmoseg_version", "image",
                                                  "image_fingerprint", "lesion_mask", "lung_mask", "study", "model",
                                                  "grid", "lesion", "lung", "percent_affected", "severity", "sides",
                                                  "thirds", "density", "notes", "slices"}));
  EXPECT_EQ(json["schema"], "pulmoseg.measurements/1");
  EXPECT_EQ(json["research_use"], "Research use only. Not a medical device.");
  EXPECT_EQ(json["image"], "scan.nii.gz") << "folders may hold names of patients";
  EXPECT_EQ(json["model"]["file"], "model.onnx");
  EXPECT_EQ(json["model"]["sha256"], "abc");
  EXPECT_EQ(json["grid"]["size"], Json({2, 1, 2}));
  EXPECT_EQ(json["lesion"]["voxels"], 1);
  EXPECT_NEAR(json["lesion"]["volume_ml"].get<double>(), 0.001, 1e-15);
  EXPECT_EQ(json["lesion"]["parts"]["count"], 1);
  EXPECT_EQ(json["lesion"]["parts"]["sizes"][0]["parts"], 1);
  EXPECT_EQ(json["lesion"]["parts"]["largest"][0]["centre_mm"], Json({0.0, 0.0, 0.0}));
  EXPECT_EQ(json["severity"]["grade"], "CT-2");
  EXPECT_EQ(json["thirds"]["lower"]["lesion_voxels"], 1);
  EXPECT_EQ(json["density"]["mean_hu"], -400.0);
  EXPECT_TRUE(json["density"]["bands"][0]["from_hu"].is_null());
  EXPECT_EQ(json["density"]["bands"][2]["voxels"], 2) << "−950 to −750 HU";
  EXPECT_EQ(json["density"]["bands"][5]["percent_of_lung"], 50.0) << "0 HU and above";
  EXPECT_EQ(json["percent_affected"], 25.0);
  ASSERT_EQ(json["slices"].size(), 2U);
  EXPECT_EQ(json["slices"][0]["lesion_area_mm2"], 0.25);
  EXPECT_EQ(json["slices"][0]["percent_affected"], 50.0);
  EXPECT_TRUE(json["slices"][0]["instance_number"].is_null());
}

TEST(MeasurementsJson, WhatIsNotKnownIsNull) {
  Provenance by_hand = provenance();
  by_hand.model.clear();
  const Json json = Json::parse(measurements_json(measured(false, quantify::KnownSpacing::none), by_hand));
  for (const auto* pointer : {"/lung_mask",
                              "/model",
                              "/grid/spacing_mm",
                              "/grid/voxel_volume_ml",
                              "/lesion/volume_ml",
                              "/lesion/outside_lung_voxels",
                              "/lung/voxels",
                              "/lung/volume_ml",
                              "/percent_affected",
                              "/slices/0/lesion_area_mm2",
                              "/slices/0/lung_voxels",
                              "/slices/0/percent_affected",
                              "/study",
                              "/severity",
                              "/sides",
                              "/thirds",
                              "/density",
                              "/lesion/parts/sizes",
                              "/lesion/parts/largest/0/volume_ml",
                              "/lung/sides_touch"}) {
    EXPECT_TRUE(json.at(Json::json_pointer(pointer)).is_null()) << pointer;
  }
  EXPECT_EQ(json["lesion"]["voxels"], 1);
  EXPECT_EQ(json["notes"][0]["code"], "spacing_unknown");
}

TEST(MeasurementsJson, NamesThatAreNoUtf8AndFolders) {
  Provenance odd = provenance();
  odd.image = "\xff\xfe.nii";
  EXPECT_NO_THROW(Json::parse(measurements_json(measured(false), odd)));
  odd.image = "series/ct/";
  EXPECT_EQ(Json::parse(measurements_json(measured(false), odd))["image"], "ct");
}

TEST(MeasurementsJson, IsWrittenWholeOrNotAtAll) {
  const test::TemporaryFolder folder;
  write_measurements_json(measured(true), provenance(), folder / "scan.json");
  EXPECT_EQ(read_file(folder / "scan.json"), measurements_json(measured(true), provenance()));
  EXPECT_THROW(write_measurements_json(measured(true), provenance(), folder / "nowhere/scan.json"), Error);
}

TEST(CohortRow, HasACellForEachColumn) {
  const auto columns = cohort_columns(), row = cohort_row("a,b", measured(true), provenance()),
             unknown = cohort_row("c", measured(false, quantify::KnownSpacing::none), provenance());
  ASSERT_EQ(row.size(), columns.size());
  const test::TemporaryFolder folder;
  write_file(folder / "cohort.csv", csv_line(columns) + csv_line(row) + csv_line(unknown));
  const CsvTable table = read_csv(folder / "cohort.csv");
  EXPECT_EQ(table.rows[0][table.column("case")], "a,b");
  EXPECT_EQ(table.rows[0][table.column("percent_affected")], "25");
  EXPECT_EQ(table.rows[1][table.column("percent_affected")], "");
  EXPECT_EQ(table.rows[1][table.column("lesion_ml")], "");
  EXPECT_EQ(table.rows[1][table.column("notes")], "spacing_unknown no_lung_mask");
}

TEST(ReadCase, GivesTheRowThatWasWritten) {
  const test::TemporaryFolder folder;
  Provenance dicom = provenance();
  dicom.study = {.date = "2020-04-01", .series_instance_uid = "1.2"};
  write_measurements_json(measured(true), dicom, folder / "scan.json");
  const StoredCase stored = read_case(folder / "scan.json");
  EXPECT_EQ(stored.row, cohort_row("scan", measured(true), dicom));
  EXPECT_EQ(stored.row[1], "2020-04-01");
  EXPECT_EQ(stored.models, std::vector<std::string>{"abc"});
}

TEST(ReadCase, WhatAnEarlierVersionDidNotKnowIsEmpty) {
  const test::TemporaryFolder folder;
  Json json = Json::parse(measurements_json(measured(true), provenance()));
  for (const char* key : {"study", "severity", "sides", "thirds", "density"}) json.erase(key);
  json["lesion"].erase("parts");
  write_file(folder / "old.json", json.dump());
  const auto row = read_case(folder / "old.json").row, columns = cohort_columns();
  ASSERT_EQ(row.size(), columns.size());
  const auto cell = [&](const char* column) {
    return row[static_cast<std::size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin())];
  };
  EXPECT_EQ(cell("percent_affected"), "25");
  EXPECT_EQ(cell("severity"), "");
  EXPECT_EQ(cell("lesion_parts"), "");
  json.erase("lung");
  write_file(folder / "damaged.json", json.dump());
  EXPECT_THROW(read_case(folder / "damaged.json"), Error);
}

TEST(StudyOf, SaysWhenAndNotWho) {
  volume::SourceInfo source;
  EXPECT_EQ(study_of(source), Study());
  source.attributes = {{"PatientName", "Doe^Jane"},  {"StudyDate", "20200401"},   {"StudyTime", "134510.25"},
                       {"SeriesInstanceUID", "1.2"}, {"StudyInstanceUID", "1.1"}, {"ConvolutionKernel", "B70f"},
                       {"SliceThickness", "1.250"}};
  const Study study = study_of(source);
  EXPECT_EQ(study.date, "2020-04-01");
  EXPECT_EQ(study.time, "13:45:10");
  Provenance dicom = provenance();
  dicom.study = study;
  const std::string json = measurements_json(measured(true), dicom);
  EXPECT_EQ(Json::parse(json)["study"]["convolution_kernel"], "B70f");
  EXPECT_EQ(Json::parse(json)["study"]["slice_thickness_mm"], 1.25);
  EXPECT_EQ(json.find("Doe"), std::string::npos);
  source.attributes["StudyDate"] = "unknown";
  EXPECT_EQ(study_of(source).date, "");
}

TEST(MeasurementsText, SaysWhatIsUnknown) {
  const std::string known = measurements_text(measured(true)), unknown = measurements_text(measured(false));
  EXPECT_NE(known.find("25.00 %"), std::string::npos) << known;
  EXPECT_NE(unknown.find("percent affected  unknown"), std::string::npos) << unknown;
  EXPECT_EQ(known.find("CAUTION"), std::string::npos) << known;
}

TEST(MeasurementsText, AFigureThatIsNotToBeReliedOnIsMarkedBelowIt) {
  auto doubtful = measured(true);
  doubtful.notes.push_back({"unfamiliar_input", "the scan looks strange"});
  doubtful.notes.push_back({"not_chest", "this may be no chest"});
  EXPECT_NE(
      measurements_text(doubtful).find("25.00 %\nCAUTION           not to be relied on: this may be no chest CT; the "
                                       "scan is unlike those that the model was trained on\n"),
      std::string::npos)
      << measurements_text(doubtful);
}

}  // namespace
}  // namespace pulmoseg::report
