#include "pulmoseg/report/metrics_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

using nlohmann::json;

const std::vector<metrics::SliceResult> slices{
    {.row = 0,
     .case_name = "a, \"first\"",
     .patient = "p1",
     .slice = 3,
     .counts = {6, 2, 2, 90},
     .loss = 0.125,
     .surface = {.nsd = 0.5, .hausdorff_95 = 3},
     .lung = metrics::LungCounts{.lung = 40, .predicted_lesion = 8, .true_lesion = 6},
     .expected_dice = 0.875},
    {.row = 5,
     .case_name = "b",
     .patient = "p2",
     .slice = 0,
     .counts = {0, 0, 0, 100},
     .loss = 0.25,
     .lung = metrics::LungCounts{.lung = 50, .predicted_lesion = 1, .true_lesion = 0}}};

EvaluationProvenance provenance() {
  EvaluationProvenance result;
  result.version = "0.1.0";
  result.model = "run/model.onnx";
  result.dataset = "covid";
  result.split = SplitFacts{"slice", 7, 0, 0, true};
  return result;
}

metrics::Figures figures(const std::string& part = "test") {
  return metrics::summarise(part, slices, {.points = {}, .auc = 0.75, .average_precision = 0.5});
}

TEST(MetricsJson, HoldsTheContract) {
  const json file = json::parse(metrics_json(figures(), provenance()));
  EXPECT_EQ(file["schema"], "pulmoseg.metrics/1");
  EXPECT_EQ(file["research_use"], "Research use only. Not a medical device.");
  EXPECT_EQ(file["pulmoseg_version"], "0.1.0");
  EXPECT_EQ(file["part"], "test");
  EXPECT_EQ(file["slices"], 2);
  EXPECT_EQ(file["loss"], 0.1875);
  for (const char* key :
       {"accuracy", "precision", "recall", "specificity", "f1", "dice", "iou", "auc_roc", "average_precision"}) {
    EXPECT_TRUE(file["pooled"][key].is_number()) << key;
  }
  EXPECT_EQ(file["pooled"].size(), 9u);
  EXPECT_EQ(file["pooled"]["dice"], 0.75);
  EXPECT_EQ(file["pooled"]["auc_roc"], 0.75);
  EXPECT_EQ(file["per_slice_mean"], (json{{"dice", 0.875}, {"iou", 0.8}, {"slices", 2}}));
  EXPECT_EQ(file["lesion_slice_mean"], (json{{"dice", 0.75}, {"iou", 0.6}, {"slices", 1}}));
  EXPECT_EQ(file["case_mean"]["dice"], 0.75);
  EXPECT_EQ(file["case_mean"]["cases"], 1);
  EXPECT_EQ(file["cases"][0]["case"], "a, \"first\"");
  EXPECT_EQ(file["cases"][0]["patient"], "p1");
  EXPECT_EQ(file["cases"][0]["false_positive"], 2);
  EXPECT_EQ(file["cases"][0]["lesion_percent"], 20);
  EXPECT_EQ(file["cases"][0]["true_lesion_percent"], 15);
  EXPECT_EQ(file["surface"], (json{{"of", "slice"},
                                   {"unit", "pixels"},
                                   {"tolerance", 2.0},
                                   {"nsd", 0.5},
                                   {"nsd_count", 1},
                                   {"hausdorff_95", 3.0},
                                   {"hausdorff_95_count", 1}}));
  EXPECT_EQ(file["confidence"], (json{{"slices", 1},
                                      {"spearman", nullptr},
                                      {"spearman_ci95", nullptr},
                                      {"risk_coverage_area", 0.25},
                                      {"risk_coverage_area_random", 0.25}}));
  EXPECT_EQ(file["lesion_percent"]["cases"], 2);
  EXPECT_EQ(file["lesion_percent"]["bias"], 3.5);
  EXPECT_EQ(file["lesion_percent"]["limits_of_agreement"].size(), 2u);
  EXPECT_TRUE(file["lesion_percent"]["icc"].is_number());
  EXPECT_EQ(file["split"], (json{{"kind", "slice"}, {"seed", 7}, {"patients_on_both_sides", true}}));
  for (const char* name :
       {"pooled", "per_slice_mean", "lesion_slice_mean", "case_mean", "surface", "lesion_percent", "loss", "null"}) {
    EXPECT_TRUE(file["conventions"].contains(name)) << name;
  }
}

TEST(MetricsJson, SaysWhichLabelsMeanLesion) {
  auto masks = provenance();
  EXPECT_EQ(json::parse(metrics_json(figures(), masks))["conventions"]["positive"],
            "lesion: every pixel that is not background in the mask");
  masks.prediction_label = 2;
  const json file = json::parse(metrics_json(figures(), masks));
  EXPECT_EQ(file["conventions"]["positive"], "lesion: label 2 in the prediction, every label but 0 in the reference");
  EXPECT_EQ(file["prediction_label"], 2);
  EXPECT_TRUE(file["reference_label"].is_null());
}

TEST(MetricsJson, WhatDoesNotExistIsNull) {
  const auto empty = metrics::summarise("all", std::span(slices).subspan(1));
  const json file = json::parse(metrics_json(empty, {}));
  EXPECT_TRUE(file["pooled"]["dice"].is_null());
  EXPECT_TRUE(file["pooled"]["auc_roc"].is_null());
  EXPECT_TRUE(file["lesion_slice_mean"]["dice"].is_null());
  EXPECT_TRUE(file["case_mean"]["dice"].is_null());
  EXPECT_TRUE(file["case_mean"]["ci95"]["dice"].is_null());
  EXPECT_TRUE(file["cases"][0]["dice"].is_null());
  EXPECT_TRUE(file["surface"]["nsd"].is_null());
  EXPECT_TRUE(file["lesion_percent"]["icc"].is_null());
  EXPECT_TRUE(file["lesion_percent"]["limits_of_agreement"].is_null());
  EXPECT_TRUE(file["split"].is_null());
  EXPECT_TRUE(file["model"].is_null());
  EXPECT_TRUE(file["dataset"].is_null());
}

TEST(MetricsJson, IntervalIsAPairOfNumbers) {
  auto both = slices;
  both[1].counts = {1, 1, 0, 98};
  const json file = json::parse(metrics_json(metrics::summarise("test", both), provenance()));
  const json interval = file["case_mean"]["ci95"]["dice"];
  ASSERT_EQ(interval.size(), 2u);
  EXPECT_LE(interval[0], file["case_mean"]["dice"]);
  EXPECT_GE(interval[1], file["case_mean"]["dice"]);
}

TEST(MetricsJson, TakesNamesThatAreNoUtf8) {
  auto odd = slices;
  odd[0].case_name = "M\xFCller";
  EXPECT_NO_THROW(json::parse(metrics_json(metrics::summarise("test", odd), {})));
}

TEST(EvaluationWarnings, SayWhatFlatters) {
  auto facts = provenance();
  const auto about = [&](const std::string& part) {
    std::string all;
    for (const auto& warning : evaluation_warnings(part, facts)) all += warning + "\n";
    return all;
  };
  EXPECT_NE(about("test").find("patients stand on both sides"), std::string::npos);
  EXPECT_NE(about("training").find("was trained on these slices"), std::string::npos);
  EXPECT_NE(about("all").find("trained on some of these slices"), std::string::npos);
  facts.split->patients_on_both_sides = false;
  EXPECT_EQ(about("test"), "");
  facts.split->patients_on_both_sides.reset();
  EXPECT_NE(about("test").find("not known"), std::string::npos);
  facts.split.reset();
  EXPECT_NE(about("all").find("no split is known"), std::string::npos);
  facts.model_metadata["pulmoseg.trained_on"] = "covid20 (795d)";
  EXPECT_NE(about("all").find("trained on, of the dataset covid20 (795d)"), std::string::npos);
  facts.dataset.clear();  // masks against masks: nobody trained on anything
  EXPECT_EQ(about("all"), "");
}

TEST(MetricsText, NamesConventionsSplitAndWarning) {
  const std::string text = metrics_text(figures(), provenance());
  for (const char* part :
       {"run/model.onnx", "covid", "slice-wise, seed 7", "patients stand on both sides", "pooled over all pixels",
        "mean per slice ", "mean per slice with lesion", "mean per case", "0.8750", "AUC-ROC", "0.1875"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find(" \n"), std::string::npos) << text;
}

TEST(MetricsFiles, TablesCanBeReadBack) {
  const test::TemporaryFolder folder;
  write_metrics(figures(), slices, provenance(), folder / "new");
  const CsvTable by_slice = read_csv(folder / "new" / "slices.csv");
  EXPECT_EQ(by_slice.columns,
            (std::vector<std::string>{"row", "case", "patient", "slice", "part", "dice", "iou", "tp", "fp", "fn", "tn",
                                      "loss", "nsd", "hausdorff_95", "expected_dice"}));
  EXPECT_EQ(by_slice.rows[0], (std::vector<std::string>{"0", "a, \"first\"", "p1", "3", "test", "0.75", "0.6", "6", "2",
                                                        "2", "90", "0.125", "0.5", "3", "0.875"}));
  EXPECT_EQ(by_slice.rows[1][by_slice.column("dice")], "1");
  const CsvTable by_case = read_csv(folder / "new" / "cases.csv");
  EXPECT_EQ(by_case.rows[1],
            (std::vector<std::string>{"b", "p2", "1", "", "", "", "", "0", "0", "0", "100", "", "", "2", "0"}));
  EXPECT_EQ(read_file(folder / "new" / "metrics.json"), metrics_json(figures(), provenance()));
}

TEST(MetricsFiles, ExistingOnesAreNotOverwrittenUnasked) {
  const test::TemporaryFolder folder;
  EXPECT_NO_THROW(refuse_existing_metrics(folder.path()));
  EXPECT_NO_THROW(refuse_existing_metrics(folder / "missing"));
  write_metrics(figures(), slices, provenance(), folder.path());
  EXPECT_THROW(refuse_existing_metrics(folder.path()), Error);
  remove_metrics(folder.path());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace pulmoseg::report
