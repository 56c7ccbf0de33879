#include "pulmoseg/report/comparison.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

using Json = nlohmann::ordered_json;

/// Two lungs of 10 x 6 voxels a slice, of which the first `lesion` voxels of each row of the right one are lesion.
quantify::Measurements measured(int lesion, double spacing = 2, bool hounsfield = true) {
  const volume::Geometry grid{.size = {30, 6, 6}, .spacing = {spacing, 2, 4}};
  quantify::ScanMasks masks{masks::RunMask(grid.size), masks::RunMask(grid.size)};
  std::vector<float> pixels(180, 40);
  std::vector<std::uint8_t> lung(180), sick(180);
  for (std::size_t i = 0; i < 180; ++i) {
    const std::size_t column = i % 30;
    lung[i] = column < 10 || column >= 20;
    sick[i] = column < static_cast<std::size_t>(lesion);
    if (lung[i] != 0) pixels[i] = sick[i] != 0 ? -300 : (hounsfield ? -900 : 100);
  }
  for (std::int64_t k = 0; k < 6; ++k) {
    masks.lung->set(k, lung);
    masks.lesion.set(k, sick);
  }
  quantify::Measurer measurer({.grid = grid}, std::move(masks));
  for (std::int64_t k = 0; k < 6; ++k) measurer.add_slice(k, pixels);
  return measurer.finish();
}

Provenance dated(const std::string& date, const std::string& series) {
  return {.version = "1",
          .image = "scan",
          .lesion_mask = "mask.nii.gz",
          .study = {.date = date, .convolution_kernel = "B30f", .series_instance_uid = series}};
}

class Compare : public testing::Test {
 protected:
  void SetUp() override {
    write_measurements_json(measured(4), dated("2020-02-27", "1.1"), early_);
    write_measurements_json(measured(2), dated("2020-03-03", "1.2"), late_);
  }
  Comparison compare() const { return compare_cases(early_, late_); }
  test::TemporaryFolder folder_;
  std::filesystem::path early_ = folder_ / "early.json", late_ = folder_ / "late.json";
};

ComparedFigure figure(const Comparison& comparison, const std::string& key) {
  const auto found = std::ranges::find(comparison.figures, key, &ComparedFigure::key);
  if (found == comparison.figures.end()) throw std::runtime_error("no figure " + key);
  return *found;
}

std::vector<std::string> codes(const Comparison& comparison) {
  std::vector<std::string> all;
  for (const auto& note : comparison.notes) all.push_back(note.code);
  return all;
}

using Codes = std::vector<std::string>;

TEST_F(Compare, GivesEachFigureOfBothAndItsChange) {
  const Comparison comparison = compare();
  EXPECT_EQ(comparison.days, 5) << "over the 29th of February";
  EXPECT_EQ(codes(comparison), Codes{});
  const auto percent = figure(comparison, "percent_affected");
  EXPECT_DOUBLE_EQ(*percent.earlier, 20);
  EXPECT_DOUBLE_EQ(*percent.later, 10);
  EXPECT_DOUBLE_EQ(*percent.change(), -10);
  EXPECT_FALSE(percent.relative_change_percent());
  EXPECT_DOUBLE_EQ(*figure(comparison, "lesion_ml").relative_change_percent(), -50);
  EXPECT_DOUBLE_EQ(*figure(comparison, "right_percent_affected").change(), -20);
  EXPECT_DOUBLE_EQ(*figure(comparison, "left_percent_affected").change(), 0);
  EXPECT_FALSE(figure(comparison, "left_lesion_ml").relative_change_percent()) << "of nothing";
  EXPECT_DOUBLE_EQ(*figure(comparison, "lower_percent_affected").later, 10);
  EXPECT_DOUBLE_EQ(*figure(comparison, "lesion_parts").change(), 0);
  EXPECT_DOUBLE_EQ(*figure(comparison, "mean_hu").earlier, -780);
  EXPECT_DOUBLE_EQ(*figure(comparison, "percent_-400_to_0_hu").change(), -10);
  EXPECT_LT(*figure(comparison, "mass_g").change(), 0);
}

TEST_F(Compare, SaysWhatStandsInTheWay) {
  Provenance later = dated("2020-02-01", "1.1");
  later.model = "model.onnx";
  later.model_sha256 = "abc";
  later.study.convolution_kernel = "B70f";
  write_measurements_json(measured(2, 3, false), later, late_);
  EXPECT_EQ(codes(compare()), (Codes{"dates_in_wrong_order", "same_scan", "models_differ", "lung_volume_differs",
                                     "spacing_differs", "kernel_differs", "density_of_one_only", "measurement_error"}));
  write_measurements_json(measured(2), dated("", "1.3"), late_);
  EXPECT_EQ(codes(compare()), Codes{"dates_unknown"});
}

std::string text_of(const Comparison& comparison, const std::string& code) {
  const auto found = std::ranges::find(comparison.notes, code, &Note::code);
  return found == comparison.notes.end() ? "no " + code : found->text;
}

/// As of the shipped recipe.
Provenance by_model(const std::string& date, const std::string& series) {
  Provenance provenance = dated(date, series);
  provenance.model = "model.onnx";
  provenance.model_sha256 = "abc";
  provenance.precision = "int8";
  provenance.model_metadata = {{"pulmoseg.recipe", "robust"}, {"pulmoseg.classes", "background,lung,lesion"}};
  return provenance;
}

TEST_F(Compare, SaysHowMuchMayBeTheModelsError) {
  write_measurements_json(measured(4), by_model("2020-02-27", "1.1"), early_);
  write_measurements_json(measured(2), by_model("2020-03-03", "1.2"), late_);
  EXPECT_CONTAINS(text_of(compare(), "measurement_error"), "-10.0 points, is within that");
  write_measurements_json(measured(10), by_model("2020-03-03", "1.2"), late_);
  EXPECT_CONTAINS(text_of(compare(), "measurement_error"), "+30.0 points, is larger");
  Provenance other = by_model("2020-03-03", "1.2");
  other.model_metadata["pulmoseg.recipe"] = "original";
  write_measurements_json(measured(10), other, late_);
  EXPECT_CONTAINS(text_of(compare(), "measurement_error"), "not known here");
  Provenance by_hand = dated("2020-03-03", "1.2");
  write_measurements_json(measured(10), by_model("2020-03-03", "1.2"), late_);
  write_measurements_json(measured(8), by_hand, early_);
  EXPECT_CONTAINS(text_of(compare(), "measurement_error"),
                  "up to 9.5 points may be error alone. The change here, +10.0");
  write_measurements_json(measured(2), by_hand, early_);
  write_measurements_json(measured(2), by_hand, late_);
  EXPECT_EQ(text_of(compare(), "measurement_error"), "no measurement_error");
}

TEST_F(Compare, SaysWhatOtherScansDoToAModel) {
  Provenance earlier = by_model("2020-02-27", "1.1"), later = by_model("2020-03-03", "1.2");
  earlier.study.slice_thickness_mm = 1.25;
  write_measurements_json(measured(4), earlier, early_);
  later.study.convolution_kernel = "B70f";
  later.precision = "fp32";
  later.study.slice_thickness_mm = 5;
  later.version = "2";
  quantify::Measurements changed = measured(4, 2.3);
  changed.notes = {{"lungs_cut", "the lungs are cut"},
                   {"equalised", "it was equalised"},
                   {"unfamiliar_input", "it looks unlike"},
                   {"contrast_enhanced", "a contrast agent is named"}};
  write_measurements_json(changed, later, late_);
  const Comparison comparison = compare();
  EXPECT_EQ(codes(comparison),
            (Codes{"settings_differ", "unfamiliar_input", "lungs_incomplete", "thickness_differs", "spacing_differs",
                   "kernel_differs", "contrast_of_one_only", "measurement_error"}));
  EXPECT_CONTAINS(text_of(comparison, "settings_differ"),
                  "precision, equalisation (of the later only), pulmoseg 1 and 2");
  EXPECT_CONTAINS(text_of(comparison, "lungs_incomplete"), "in the later the lungs were not");
  EXPECT_CONTAINS(text_of(comparison, "spacing_differs"), "2 × 2 × 4 mm and 2.3 × 2 × 4 mm");
  EXPECT_CONTAINS(text_of(comparison, "thickness_differs"), "1.25 and 5 mm thick");
  EXPECT_CONTAINS(text_of(comparison, "thickness_differs"), "three times as thick");
  EXPECT_CONTAINS(text_of(comparison, "kernel_differs"), "(B30f, B70f)");
  EXPECT_CONTAINS(comparison_text(comparison), "noted of the later: the lungs are cut");
}

TEST_F(Compare, TheSameFileTwice) {
  const Comparison comparison = compare_cases(early_, early_);
  EXPECT_EQ(codes(comparison), Codes{"same_scan"});
  for (const auto& figure : comparison.figures) EXPECT_EQ(figure.change().value_or(0), 0) << figure.key;
}

TEST_F(Compare, WhatAnEarlierVersionDidNotMeasureIsUnknown) {
  Json json = Json::parse(read_file(early_));
  for (const char* key : {"study", "severity", "sides", "thirds", "density"}) json.erase(key);
  json["lesion"].erase("parts");
  write_file(early_, json.dump());
  const Comparison comparison = compare();
  EXPECT_FALSE(figure(comparison, "left_percent_affected").earlier);
  EXPECT_TRUE(figure(comparison, "left_percent_affected").later);
  EXPECT_FALSE(figure(comparison, "left_percent_affected").change());
  EXPECT_DOUBLE_EQ(*figure(comparison, "percent_affected").change(), -10);
}

TEST_F(Compare, AFolderHoldsOneScan) {
  EXPECT_THROW(compare_cases(folder_.path(), late_), Error);
  std::filesystem::create_directory(folder_ / "one");
  std::filesystem::copy(early_, folder_ / "one/scan.json");
  write_file(folder_ / "one/other.json", "{}");
  EXPECT_EQ(compare_cases(folder_ / "one", late_).earlier.file, folder_ / "one/scan.json");
}

TEST_F(Compare, OtherFilesAreRefusedByName) {
  for (const char* text :
       {"", "[1]", "{\"schema\": \"pulmoseg.metrics/1\"}", "{\"schema\": \"pulmoseg.measurements/1\"}"}) {
    write_file(late_, text);
    try {
      compare();
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_CONTAINS(error.what(), "late.json");
    }
  }
}

TEST_F(Compare, IsWrittenAsJsonCsvAndText) {
  const Json json = Json::parse(comparison_json(compare(), "1.2.3"));
  EXPECT_EQ(json["schema"], "pulmoseg.comparison/1");
  EXPECT_EQ(json["earlier"]["date"], "2020-02-27");
  EXPECT_EQ(json["later"]["severity"], "CT-1");
  EXPECT_EQ(json["figures"][0]["figure"], "percent_affected");
  EXPECT_EQ(json["figures"][0]["relative_change_percent"], nullptr);
  write_file(folder_ / "comparison.csv", comparison_csv(compare()));
  EXPECT_EQ(read_csv(folder_ / "comparison.csv").rows.size(), json["figures"].size());
  const std::string text = comparison_text(compare());
  EXPECT_CONTAINS(text, "20.0 %");
  EXPECT_CONTAINS(text, "-10.0 points");
  EXPECT_CONTAINS(text, "5 days");
  EXPECT_CONTAINS(text, "of one patient");
  EXPECT_CONTAINS(text, "Research use only");
}

TEST_F(Compare, IsAPageWhoseTextsDoNotRun) {
  Provenance hostile = dated("2020-03-03", "1.2");
  hostile.image = "<img src=x onerror=alert(1)>.nii";
  hostile.study.series_description = "</td><script>alert(1)</script>\xff";
  hostile.study.convolution_kernel = "<b>";
  quantify::Measurements noted = measured(2);
  noted.notes.push_back({"odd", "<i>odd</i>"});
  write_measurements_json(noted, hostile, late_);
  const std::string html = comparison_html(compare(), "1.2.3");
  for (const std::string_view text : {"<script", "<img", "<b>&", "<i>"})
    EXPECT_EQ(html.find(text), std::string::npos) << text;
  for (const std::string_view text : {"5 days", "−10.0 points", "20.0 % → 10.0 %", "(−50.0 %)", "&lt;script&gt;",
                                      "Noted of the later", "of one patient", "Thirds of the lungs", "2020-02-27"})
    EXPECT_NE(html.find(text), std::string::npos) << text;
}

}  // namespace
}  // namespace pulmoseg::report
