// pulmoseg evaluate as a user runs it, with a network whose answer is known: lesion is what is brighter than 0.5.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "evaluation/example.hpp"
#include "inference/tiny_network.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using dataset::Part;
using test::ProgramResult;

class EvaluateCommandTest : public testing::Test {
 protected:
  EvaluateCommandTest() {
    test::write_example_dataset(data());
    fs::create_directories(run());
    onnx::write(test::threshold_network(), run() / "model.onnx");
    write_split("slice", {Part::test, Part::test, Part::training, Part::test, Part::validation});
  }
  void write_split(const std::string& kind, std::vector<Part> parts) {
    const auto opened = dataset::Dataset::open(data());
    const int fold = kind == "patient" ? 1 : 0, folds = 2 * fold;
    dataset::write_split({.kind = kind, .seed = 7, .fold = fold, .folds = folds, .parts = std::move(parts)}, opened,
                         run() / "split.csv");
  }
  ProgramResult evaluate(const fs::path& model, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"evaluate", model.string(), data().string(), "--out", out().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return test::run_program(arguments);
  }
  Json metrics(const fs::path& folder) { return Json::parse(read_file(folder / "metrics.json")); }
  std::vector<std::string> pictures(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder / "figures")) {
      names.push_back(entry.path().filename().string());
      EXPECT_TRUE(read_file(entry.path()).starts_with("\x89PNG")) << names.back();
    }
    std::ranges::sort(names);
    return names;
  }
  fs::path data() { return folder_ / "the data"; }
  fs::path run() { return folder_ / "run"; }
  fs::path out() { return folder_ / "out"; }

  test::TemporaryFolder folder_;
};

TEST_F(EvaluateCommandTest, MeasuresTheTestPartOfARun) {
  const ProgramResult result = evaluate(run());
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const Json file = metrics(out());
  EXPECT_EQ(file["part"], "test");
  EXPECT_EQ(file["slices"], 3);  // rows 0, 1, 3: TP 150, FP 90, FN 50
  EXPECT_DOUBLE_EQ(file["pooled"]["dice"], 300.0 / 440);
  EXPECT_DOUBLE_EQ(file["per_slice_mean"]["dice"], 0.5);
  EXPECT_DOUBLE_EQ(file["lesion_slice_mean"]["dice"], 0.75);
  EXPECT_EQ(file["model"], "run/model.onnx");
  EXPECT_EQ(file["dataset"], "the data");
  EXPECT_EQ(read_csv(out() / "slices.csv").rows.size(), 3u);
  EXPECT_EQ(read_csv(out() / "cases.csv").rows.size(), 2u);
  EXPECT_TRUE(read_file(out() / "roc.png").starts_with("\x89PNG"));
  EXPECT_EQ(pictures(out()),
            (std::vector<std::string>{"best_1_a_slice003.png", "sample_1_b_slice000.png", "worst_1_a_slice004.png"}));
  for (const char* part :
       {"mean per slice with lesion", "0.7500", "mean per case", "AUC-ROC", "metrics.json, slices.csv"}) {
    EXPECT_CONTAINS(result.output, part);
  }
}

TEST_F(EvaluateCommandTest, SaysThatPatientsStandOnBothSides) {
  const ProgramResult result = evaluate(run());
  EXPECT_CONTAINS(result.output, "patients stand on both sides");
  EXPECT_EQ(metrics(out())["split"], (Json{{"kind", "slice"}, {"seed", 7}, {"patients_on_both_sides", true}}));
  EXPECT_CONTAINS(metrics(out())["warnings"][0].get<std::string>(), "patients stand on both sides");
}

TEST_F(EvaluateCommandTest, IsSilentAboutPatientsWhereNoneStandsOnBothSides) {
  write_split("patient", {Part::test, Part::test, Part::test, Part::test, Part::training});
  const ProgramResult result = evaluate(run());
  EXPECT_EQ(result.output.find("warning"), std::string::npos) << result.output;
  EXPECT_EQ(metrics(out())["split"],
            (Json{{"kind", "patient"}, {"seed", 7}, {"fold", 1}, {"folds", 2}, {"patients_on_both_sides", false}}));
  EXPECT_TRUE(metrics(out())["warnings"].empty());
}

TEST_F(EvaluateCommandTest, WarnsOfAnotherWindowOfHounsfieldUnits) {
  const auto with_window = [&](int hounsfield_slices) {
    Json info = Json::parse(read_file(data() / "dataset.json"));
    info["preprocessing"]["pulmoseg.hounsfield_window"] = "-1000 400";
    info["sources"] = {{{"image", "a.nii"},
                        {"lesion_mask", "b.nii"},
                        {"lung_mask", nullptr},
                        {"format", "NIfTI-1"},
                        {"grid", "32x32x5"},
                        {"slices", 5},
                        {"hounsfield_slices", hounsfield_slices},
                        {"notes", Json::array()}}};
    write_file(data() / "dataset.json", info.dump());
    return evaluate(run() / "model.onnx", {"--part", "all", "--overwrite"}).messages;
  };
  EXPECT_EQ(with_window(0).find("Hounsfield"), std::string::npos) << "pictures are not cut";
  EXPECT_CONTAINS(with_window(5),
                  "was trained on slices not cut to a window, those of the dataset in Hounsfield units are cut to "
                  "-1000 to 400; prepare it with no --hounsfield-window");
}

TEST_F(EvaluateCommandTest, SaysWhenPatientsAreNotKnown) {
  fs::remove_all(data());
  test::write_example_dataset(data(), true);
  write_split("slice", {Part::test, Part::test, Part::training, Part::test, Part::validation});
  const ProgramResult result = evaluate(run());
  EXPECT_CONTAINS(result.output, "patients of these slices are not known");
  EXPECT_TRUE(metrics(out())["split"]["patients_on_both_sides"].is_null());
}

TEST_F(EvaluateCommandTest, SeveralPartsGetAFolderEach) {
  const ProgramResult result =
      evaluate(run(), {"--part", "test", "--part", "all", "--part", "test", "--json", "--figures", "0"});
  ASSERT_EQ(result.exit_code, 0) << result.messages;
  const Json printed = Json::parse(result.output);
  EXPECT_EQ(printed["schema"], "pulmoseg.evaluate/1");
  EXPECT_TRUE(printed.contains("research_use"));
  const Json& parts = printed["parts"];
  EXPECT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts["test"], metrics(out() / "test"));
  EXPECT_EQ(parts["all"], metrics(out() / "all"));
  EXPECT_EQ(parts["all"]["slices"], 5);
  EXPECT_FALSE(fs::exists(out() / "metrics.json"));
  EXPECT_FALSE(fs::exists(out() / "all" / "figures"));
}

TEST_F(EvaluateCommandTest, JsonIsTheFile) {
  const ProgramResult result = evaluate(run(), {"--json"});
  EXPECT_EQ(result.output, read_file(out() / "metrics.json"));
}

TEST_F(EvaluateCommandTest, AnOnnxFileNeedsASplitOrEverySlice) {
  const ProgramResult alone = evaluate(run() / "model.onnx");
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_CONTAINS(alone.messages, "--part all");
  EXPECT_FALSE(fs::exists(out()));
  const ProgramResult everything = evaluate(run() / "model.onnx", {"--part", "all"});
  EXPECT_EQ(everything.exit_code, 0) << everything.messages;
  EXPECT_TRUE(metrics(out())["split"].is_null());
  EXPECT_CONTAINS(everything.output, "no split is known");
  const ProgramResult with_split = evaluate(
      run() / "model.onnx", {"--split", (run() / "split.csv").string(), "--part", "validation", "--overwrite"});
  EXPECT_EQ(with_split.exit_code, 0) << with_split.messages;
  EXPECT_EQ(metrics(out())["slices"], 1);
}

TEST_F(EvaluateCommandTest, OverwritesOnlyWhenAskedAndLeavesNoPictureOfBefore) {
  ASSERT_EQ(evaluate(run()).exit_code, 0);
  const std::string before = read_file(out() / "metrics.json");
  const ProgramResult refused = evaluate(run(), {"--part", "validation"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_CONTAINS(refused.messages, "--overwrite");
  EXPECT_EQ(read_file(out() / "metrics.json"), before);
  write_file(out() / "figures" / "notes.png", "mine");
  ASSERT_EQ(evaluate(run(), {"--part", "validation", "--overwrite"}).exit_code, 0);
  EXPECT_EQ(metrics(out())["part"], "validation");
  EXPECT_EQ(read_file(out() / "figures" / "notes.png"), "mine");
  fs::remove(out() / "figures" / "notes.png");
  EXPECT_EQ(pictures(out()), (std::vector<std::string>{"worst_1_c_slice007.png"}));
}

TEST_F(EvaluateCommandTest, AnOverwriteThatFailsLeavesNoFiguresOfBefore) {
  ASSERT_EQ(evaluate(run()).exit_code, 0);
  fs::remove_all(out() / "figures");
  write_file(out() / "figures", "mine");  // cannot be a folder
  EXPECT_EQ(evaluate(run(), {"--part", "validation", "--overwrite"}).exit_code, 1);
  for (const char* name : {"metrics.json", "slices.csv", "cases.csv", "roc.png"})
    EXPECT_FALSE(fs::exists(out() / name)) << name;
}

TEST_F(EvaluateCommandTest, ADatasetIsNoFolderForResults) {
  const std::string slices = read_file(data() / "slices.csv");
  fs::rename(data(), folder_ / "test");
  fs::create_directory_symlink(folder_ / "test", data());
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--out", data().string()},
        {"--out", folder_.path().string(), "--part", "validation", "--part", "test"}}) {
    std::vector<std::string> arguments{"evaluate", run().string(), data().string(), "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = test::run_program(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.messages;
    EXPECT_CONTAINS(result.messages, "is a prepared dataset");
    EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1) << result.messages;
  }
  EXPECT_EQ(read_file(data() / "slices.csv"), slices);
  EXPECT_FALSE(fs::exists(folder_ / "validation"));
}

TEST_F(EvaluateCommandTest, ASplitOfAnotherDatasetIsRefusedOrSetAside) {
  const auto text = read_file(run() / "split.csv");
  write_file(run() / "split.csv", text.substr(0, text.rfind('\n', text.size() - 2) + 1));  // one row short
  EXPECT_EQ(evaluate(run()).exit_code, 1);
  const ProgramResult everything = evaluate(run(), {"--part", "all"});
  EXPECT_EQ(everything.exit_code, 0) << everything.messages;
  EXPECT_CONTAINS(everything.messages, "measured without a split");
  EXPECT_TRUE(metrics(out())["split"].is_null());
}

TEST_F(EvaluateCommandTest, AnotherRunsFolderIsLeftAlone) {
  const FolderLock lock(out());
  const ProgramResult result = evaluate(run());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_CONTAINS(result.messages, "in use by another run");
}

TEST_F(EvaluateCommandTest, SaysWhatIsMissing) {
  const ProgramResult no_model = evaluate(folder_ / "nothing");
  EXPECT_EQ(no_model.exit_code, 1);
  EXPECT_CONTAINS(no_model.messages, "nothing");
  EXPECT_EQ(std::ranges::count(no_model.messages, '\n'), 1) << no_model.messages;
  const ProgramResult no_part = evaluate(run(), {"--part", "everything"});
  EXPECT_EQ(no_part.exit_code, 2);
  write_split("slice", {Part::training, Part::training, Part::training, Part::validation, Part::training});
  const ProgramResult empty = evaluate(run());
  EXPECT_EQ(empty.exit_code, 1);
  EXPECT_CONTAINS(empty.messages, "part test has no slices");
}

}  // namespace
}  // namespace pulmoseg
