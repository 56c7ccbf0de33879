// pulmoseg cross-validate as a user runs it, on real slices.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "medseg.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::ProgramResult;
using test::run_program;

class CrossValidateProgram : public testing::Test {
 protected:
  CrossValidateProgram() { test::prepare_medseg(data_); }
  ProgramResult cross_validate(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"cross-validate", data_, "--out", out_.string(), "--folds", "3", "--epochs", "1",
                                       "--threads",      "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }
  Json figures(const fs::path& folder) const { return Json::parse(read_file(folder / "metrics.json")); }

  test::TemporaryFolder folder_;
  const std::string data_ = (folder_ / "data").string();
  const fs::path out_ = folder_ / "cross validation";
};

TEST_F(CrossValidateProgram, TestsEverySliceOnceAndPoolsTheFolds) {
  const ProgramResult one = cross_validate({"--only", "2"});
  ASSERT_EQ(one.exit_code, 0) << one.messages;
  EXPECT_CONTAINS(one.output, "1 of 3 folds are finished");
  EXPECT_FALSE(fs::exists(out_ / "metrics.json"));
  EXPECT_FALSE(fs::exists(out_ / "fold-1"));
  const std::string weights = read_file(out_ / "fold-2" / "last.pth");

  const ProgramResult all = cross_validate({"--json"});
  ASSERT_EQ(all.exit_code, 0) << all.messages;
  EXPECT_EQ(all.messages.find("fold 2 of 3"), std::string::npos) << all.messages;  // it is finished
  EXPECT_EQ(read_file(out_ / "fold-2" / "last.pth"), weights);
  const Json pooled = figures(out_);
  EXPECT_EQ(Json::parse(all.output), pooled);
  EXPECT_EQ(pooled["part"], "cross-validation");
  EXPECT_EQ(pooled["slices"], 36);
  EXPECT_EQ(pooled["cases"].size(), 36u);
  EXPECT_EQ(pooled["split"]["folds"], 3);
  EXPECT_TRUE(pooled["split"]["fold"].is_null());
  EXPECT_EQ(pooled["model"], "cross validation/fold-*/model.onnx");
  for (const char* count : {"true_positive", "false_positive", "false_negative", "true_negative"}) {
    std::int64_t sum = 0;
    for (const char* fold : {"fold-1", "fold-2", "fold-3"})
      sum += figures(out_ / fold / "test")["pixels"][count].get<std::int64_t>();
    EXPECT_EQ(pooled["pixels"][count], sum) << count;
  }
  EXPECT_EQ(read_csv(out_ / "slices.csv").rows.size(), 36u);
}

TEST_F(CrossValidateProgram, FoldsThatWereTrainedOtherwiseAreNotPooled) {
  ASSERT_EQ(cross_validate({"--only", "1"}).exit_code, 0);
  const ProgramResult other = cross_validate({"--learning-rate", "0.001"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_CONTAINS(other.messages, "learning_rate");
  const ProgramResult longer =
      run_program({"cross-validate", data_, "--out", out_.string(), "--folds", "3", "--epochs", "2"});
  EXPECT_EQ(longer.exit_code, 1);
  EXPECT_CONTAINS(longer.messages, "fold-1: is finished and was trained for 1 epochs, now it is 2 epochs; ask for");
  const ProgramResult shorter = cross_validate({"--max-minutes", "0.5"});
  EXPECT_EQ(shorter.exit_code, 1);
  EXPECT_CONTAINS(shorter.messages, "trained for 1 epochs, now it is 1 epochs in at most 0.5 minutes");
  EXPECT_FALSE(fs::exists(out_ / "fold-2"));
}

TEST_F(CrossValidateProgram, LeavesAFoldToTheProcessThatHasIt) {
  const FolderLock other(out_ / "fold-2" / "test");
  const ProgramResult result = cross_validate({"--only", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  EXPECT_CONTAINS(result.messages, "fold 2 of 3: another process is at it");
  EXPECT_CONTAINS(result.output, "0 of 3 folds are finished");
}

TEST_F(CrossValidateProgram, GoesOnWithAFoldThatWasInterrupted) {
  const ProgramResult stopped = run_program({"cross-validate", data_, "--out", out_.string(), "--folds", "3", "--only",
                                             "1", "--epochs", "200", "--threads", "2", "--precision", "bf16"},
                                            [&] { return fs::exists(out_ / "fold-1" / "history.csv"); });
  EXPECT_EQ(stopped.exit_code, 130) << stopped.messages;
  const auto done = read_csv(out_ / "fold-1" / "history.csv").rows.size();
  const ProgramResult resumed = run_program({"cross-validate", data_, "--out", out_.string(), "--folds", "3", "--only",
                                             "1", "--epochs", std::to_string(done + 1), "--threads", "2"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.messages;
  EXPECT_CONTAINS(resumed.messages, "fold 1 of 3: goes on");
  EXPECT_EQ(read_csv(out_ / "fold-1" / "history.csv").rows.size(), done + 1);
  EXPECT_EQ(Json::parse(read_file(out_ / "fold-1" / "config.json"))["options"]["precision"], "bf16")
      << "not this auto's";
}

TEST_F(CrossValidateProgram, ImpossibleFoldsAreRefusedBeforeAnythingIsTrained) {
  const ProgramResult none = cross_validate({"--only", "4"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_CONTAINS(none.messages, "--only 4: expected 1 to 3");
  const ProgramResult many = run_program({"cross-validate", data_, "--out", out_.string(), "--folds", "37"});
  EXPECT_EQ(many.exit_code, 1) << many.messages;
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(CrossValidateProgram, ADatasetIsNoFolderForResults) {
  const ProgramResult result = run_program({"cross-validate", data_, "--out", data_, "--folds", "3"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_CONTAINS(result.messages, "is a prepared dataset");
  EXPECT_FALSE(fs::exists(fs::path(data_) / "fold-1"));
}

}  // namespace
}  // namespace pulmoseg
