// pulmoseg train as a user runs it, on real slices, and the road from there to a mask.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../training/rank_processes.hpp"
#include "medseg.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/volume/volume_reader.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::ProgramResult;
using test::run_program;

const std::string scan = test::medseg_scan();

class TrainProgram : public testing::Test {
 protected:
  TrainProgram() { test::prepare_medseg(data_); }
  ProgramResult train(std::vector<std::string> more = {}, const std::function<bool()>& interrupt_when = {}) {
    std::vector<std::string> arguments{"train", data_, "--run", run_.string(), "--threads", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, interrupt_when);
  }

  test::TemporaryFolder folder_;
  const std::string data_ = (folder_ / "data set").string();
  const fs::path run_ = folder_ / "run é";
};

TEST_F(TrainProgram, LeadsFromSlicesToAMask) {
  const ProgramResult trained = train({"--epochs", "2", "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.messages;
  EXPECT_CONTAINS(trained.messages, "25 training, 5 validation, 6 test");
  EXPECT_CONTAINS(trained.messages, "the patients of these slices are not known");
  EXPECT_EQ(Json::parse(trained.output)["schema"], "pulmoseg.train/1");
  EXPECT_EQ(Json::parse(read_file(run_ / "config.json"))["schema"], "pulmoseg.run/1");
  EXPECT_EQ(read_csv(run_ / "history.csv").rows.size(), 2u);
  EXPECT_TRUE(read_file(run_ / "history.png").starts_with("\x89PNG"));
  for (const char* name : {"deeplabv3_resnet50_trained.pth", "last.pth", "model.onnx", "split.csv"}) {
    EXPECT_TRUE(fs::exists(run_ / name)) << name;
  }

  const std::string evaluation = (folder_ / "evaluation").string(), masks = (folder_ / "masks").string();
  const ProgramResult evaluated = run_program({"evaluate", run_.string(), data_, "--out", evaluation, "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.messages;
  EXPECT_EQ(Json::parse(evaluated.output)["slices"], 6);
  const ProgramResult segmented = run_program({"segment", scan, "--model", run_.string(), "--out", masks});
  ASSERT_EQ(segmented.exit_code, 0) << segmented.messages;
  const auto reader = volume::VolumeReader::open(fs::path(masks) / "tr_im_lesion.nii.gz");
  EXPECT_EQ(reader.geometry().size, volume::VolumeReader::open(scan).geometry().size);
}

TEST_F(TrainProgram, WhatTheNetworkIsShownTravelsWithTheModel) {
  const ProgramResult trained =
      train({"--epochs", "1", "--neighbours", "1", "--equalisation", "3", "--max-minutes", "0.01"});
  ASSERT_EQ(trained.exit_code, 0) << trained.messages;
  const ProgramResult exported = run_program(
      {"export", run_.string(), "--out", (folder_ / "small.onnx").string(), "--int8", "--licence", "CC0-1.0"});
  ASSERT_EQ(exported.exit_code, 0) << exported.messages;
  const Json facts = Json::parse(run_program({"inspect", (folder_ / "small.onnx").string(), "--json"}).output);
  EXPECT_NE(facts.dump().find("\"pulmoseg.equalisation\":\"3\""), std::string::npos) << facts.dump();
  EXPECT_NE(facts.dump().find("\"pulmoseg.licence\":\"CC0-1.0\""), std::string::npos) << facts.dump();
  EXPECT_NE(facts.dump().find("\"pulmoseg.neighbours\":\"1\""), std::string::npos) << facts.dump();
  const ProgramResult evaluated =
      run_program({"evaluate", run_.string(), data_, "--out", (folder_ / "evaluation").string()});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.messages;
  const ProgramResult segmented = run_program(
      {"segment", scan, "--model", (folder_ / "small.onnx").string(), "--out", (folder_ / "masks").string()});
  EXPECT_EQ(segmented.exit_code, 0) << segmented.messages;
}

TEST_F(TrainProgram, CtrlCLeavesACheckpointAndResumeGoesOn) {
  const ProgramResult stopped = train({"--epochs", "200"}, [&] { return fs::exists(run_ / "history.csv"); });
  EXPECT_EQ(stopped.exit_code, 130) << stopped.messages;
  EXPECT_CONTAINS(stopped.messages, "go on with --resume");
  const auto done = read_csv(run_ / "history.csv").rows.size();
  const ProgramResult resumed = train({"--resume", "--epochs", std::to_string(done + 1)});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.messages;
  EXPECT_EQ(read_csv(run_ / "history.csv").rows.size(), done + 1);
}

TEST_F(TrainProgram, AGivenOptionWinsOverTheRecipesAndAResumedRunKeepsAll) {
  const std::vector<std::string> given{
      "--recipe", "fast", "--epochs", "1", "--learning-rate", "0.001", "--split-seed", "7", "--no-progressive-size"};
  const ProgramResult trained = train(given);
  ASSERT_EQ(trained.exit_code, 0) << trained.messages;
  const Json config = Json::parse(read_file(run_ / "config.json")), options = config["options"];
  EXPECT_EQ(options["recipe"], "fast");
  EXPECT_EQ(options["schedule"], "cosine");
  EXPECT_EQ(options["dice_loss"], 1);
  EXPECT_EQ(options["learning_rate"], 0.001);
  EXPECT_EQ(options["progressive_size"], false);
  EXPECT_EQ(options["epochs"], 1);
  EXPECT_EQ(options["seed"], 0);
  EXPECT_EQ(config["split"]["seed"], 7);

  EXPECT_EQ(train({"--resume"}).exit_code, 0);
  EXPECT_EQ(Json::parse(read_file(run_ / "config.json")), config);
  const ProgramResult refused = train({"--resume", "--split-seed", "7"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_CONTAINS(refused.messages, "--split-seed: a run that is resumed keeps its split");

  const fs::path other = folder_ / "other seed";
  auto arguments = given;
  arguments.insert(arguments.begin(), {"train", data_, "--run", other.string(), "--seed", "5"});
  ASSERT_EQ(run_program(arguments).exit_code, 0);
  EXPECT_EQ(read_file(other / "split.csv"), read_file(run_ / "split.csv"));
  EXPECT_NE(read_file(other / "last.pth"), read_file(run_ / "last.pth"));
}

TEST_F(TrainProgram, TwoRanksAreOneRun) {
  test::Environment environment{
      {"WORLD_SIZE", "2"}, {"RANK", "1"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", test::free_port()}};
  const auto start = [&](const fs::path& run, std::vector<std::string> options) {
    options.insert(options.begin(), {test::program(), "train", data_, "--run", run, "--threads", "1"});
    return test::Process(options, environment);
  };
  // Rank 1 sees neither the run's folder nor rank 0's options.
  test::Process second = start(folder_ / "elsewhere", {});
  environment["RANK"] = std::string("0");
  const auto first = start(run_, {"--epochs", "1", "--batch-size", "8", "--sync-batch-norm"}).wait();
  EXPECT_EQ(first.exit_code, 0) << first.messages;
  EXPECT_CONTAINS(first.messages, "2 ranks, 2 of them on this machine");
  EXPECT_CONTAINS(first.messages, "best epoch 1 of 1");
  const auto silent = second.wait();
  EXPECT_EQ(silent.exit_code, 0);
  EXPECT_EQ(silent.messages, "");
  EXPECT_FALSE(fs::exists(folder_ / "elsewhere"));
  EXPECT_EQ(Json::parse(read_file(run_ / "config.json"))["ranks"], 2);
}

TEST_F(TrainProgram, SaysInOneLineWhatIsWrong) {
  const auto expect = [&](std::vector<std::string> options, int exit_code, const std::string& part) {
    const ProgramResult result = train(std::move(options));
    EXPECT_EQ(result.exit_code, exit_code) << result.messages;
    EXPECT_CONTAINS(result.messages, part);
    const auto last_line = result.messages.substr(0, result.messages.size() - 1);
    EXPECT_TRUE(last_line.substr(last_line.rfind('\n') + 1).starts_with("pulmoseg: ")) << result.messages;
  };
  expect({"--recipe", "best"}, 2, "original");
  expect({"--classes", "heart"}, 2, "lesion");
  expect({"--precision", "fp8"}, 2, "bf16");
  expect({"--fold", "6/5", "--split", "patient"}, 2, "6/5");
  expect({"--size", "256"}, 2, "32x32");
  expect({"--init", (folder_ / "none.pth").string()}, 1, "none.pth");
  expect({"--resume"}, 1, "holds no");
  EXPECT_FALSE(fs::exists(run_ / "config.json"));
}

}  // namespace
}  // namespace pulmoseg
