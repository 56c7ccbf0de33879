#include "pulmoseg/report/measurement_report.hpp"

#include <gtest/gtest.h>

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
  quantify::Measurer measurer({.size = {2, 1, 2}, .spacing = {0.5, 0.5, 4}}, with_lung, known_spacing);
  const std::vector<std::uint8_t> lesion{1, 0}, lung{1, 1};
  measurer.add_slice(0, lesion, with_lung ? std::span(lung) : std::span<const std::uint8_t>());
  measurer.add_slice(1, std::vector<std::uint8_t>(2), with_lung ? std::span(lung) : std::span<const std::uint8_t>());
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
  EXPECT_EQ(keys(json),
            (std::vector<std::string>{"schema", "research_use", "pulmoseg_version", "image", "lesion_mask", "lung_mask",
                                      "model", "grid", "lesion", "lung", "percent_affected", "notes", "slices"}));
  EXPECT_EQ(json["schema"], "pulmoseg.measurements/1");
  EXPECT_EQ(json["research_use"], "Research use only. Not a medical device.");
  EXPECT_EQ(json["image"], "scan.nii.gz") << "folders may hold names of patients";
  EXPECT_EQ(json["model"]["file"], "model.onnx");
  EXPECT_EQ(json["model"]["sha256"], "abc");
  EXPECT_EQ(json["grid"]["size"], Json({2, 1, 2}));
  EXPECT_EQ(json["lesion"]["voxels"], 1);
  EXPECT_NEAR(json["lesion"]["volume_ml"].get<double>(), 0.001, 1e-15);
  EXPECT_EQ(json["percent_affected"], 25.0);
  ASSERT_EQ(json["slices"].size(), 2U);
  EXPECT_EQ(json["slices"][0]["lesion_area_mm2"], 0.25);
  EXPECT_EQ(json["slices"][0]["percent_affected"], 50.0);
}

TEST(MeasurementsJson, WhatIsNotKnownIsNull) {
  Provenance by_hand = provenance();
  by_hand.model.clear();
  const Json json = Json::parse(measurements_json(measured(false, quantify::KnownSpacing::none), by_hand));
  for (const auto* pointer : {"/lung_mask", "/model", "/grid/spacing_mm", "/grid/voxel_volume_ml", "/lesion/volume_ml",
                              "/lesion/outside_lung_voxels", "/lung/voxels", "/lung/volume_ml", "/percent_affected",
                              "/slices/0/lesion_area_mm2", "/slices/0/lung_voxels", "/slices/0/percent_affected"}) {
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
  const auto columns = cohort_columns(), row = cohort_row("a,b", measured(true)),
             unknown = cohort_row("c", measured(false, quantify::KnownSpacing::none));
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

TEST(MeasurementsText, SaysWhatIsUnknown) {
  const std::string known = measurements_text(measured(true)), unknown = measurements_text(measured(false));
  EXPECT_NE(known.find("25.00 %"), std::string::npos) << known;
  EXPECT_NE(unknown.find("percent affected  unknown"), std::string::npos) << unknown;
}

}  // namespace
}  // namespace pulmoseg::report
