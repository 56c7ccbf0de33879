// Several processes train as one does, and end together.

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "fixture.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/weights.hpp"
#include "rank_processes.hpp"
#include "support/contains.hpp"

namespace pulmoseg::training {
namespace {

using test::Environment;
using test::RankEnd;

struct Distributed : testing::Test {
  test::TemporaryFolder folder;
  const std::string data = folder / "data", run = folder / "run";

  explicit Distributed(std::int64_t slices = 26, std::int64_t size = 16) {  // 26: 18 for training
    test::make_dataset(data, slices, size);
  }

  std::vector<RankEnd> train(int ranks, const std::string& to, std::vector<std::string> settings,
                             const Environment& environment = {}) const {
    settings.insert(settings.begin(), {data, to});
    return test::run_ranks(ranks, settings, environment);
  }
  void expect_success(int ranks, const std::string& to, const std::vector<std::string>& settings,
                      const Environment& environment = {}) const {
    for (const RankEnd& end : train(ranks, to, settings, environment)) ASSERT_EQ(end.exit_code, 0) << end.messages;
  }
};

std::string file_of(const std::string& run, const char* what, int rank) {
  return run + "." + what + "-" + std::to_string(rank) + ".safetensors";
}

/// The largest difference, as a share of the largest value of its tensor.
double difference(const std::string& file, const std::string& expected_file) {
  const auto found = model::read_weights(file), expected = model::read_weights(expected_file);
  EXPECT_EQ(found.size(), expected.size());
  double largest = 0;
  for (const auto& [name, tensor] : expected) {
    const auto e = tensor.to(torch::kFloat64), f = model::find(found, name)->to(torch::kFloat64);
    if (e.numel() == 0) continue;
    largest = std::max(largest, (f - e).abs().max().item<double>() / std::max(e.abs().max().item<double>(), 1e-12));
  }
  return largest;
}

void expect_all_ranks_equal(const std::string& run, int ranks) {
  for (int rank = 1; rank < ranks; ++rank)
    EXPECT_EQ(read_file(file_of(run, "weights", rank)), read_file(file_of(run, "weights", 0))) << rank;
}

TEST_F(Distributed, GradientsAreThoseOfOneRank) {
  const std::vector<std::string> one_step{"sync_batch_norm=1", "dice_loss=1", "epochs=1", "batch_size=18"};
  const std::string one = folder / "one";
  expect_success(1, one, one_step);
  for (const int ranks : {2, 4}) {  // of four, two have 5 slices and two have 4
    const std::string several = folder / ("several-" + std::to_string(ranks));
    expect_success(ranks, several, one_step);
    for (int rank = 0; rank < ranks; ++rank)
      EXPECT_LT(difference(file_of(several, "gradients", rank), file_of(one, "gradients", 0)), 1e-5) << ranks;
    expect_all_ranks_equal(several, ranks);
  }
}

TEST_F(Distributed, ARunIsThatOfOneRank) {
  const std::vector<std::string> settings{"sync_batch_norm=1", "dice_loss=1", "progressive_size=1",
                                          "weight_average=3",  "epochs=3",    "batch_size=7"};  // 7, 7 and 4
  const std::string one = folder / "one", four = folder / "four";
  expect_success(1, one, settings);
  expect_success(4, four, settings);
  const auto expected = read_csv(one + "/history.csv"), found = read_csv(four + "/history.csv");
  ASSERT_EQ(found.rows.size(), 3u);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    for (const char* figure : {"training_loss", "validation_loss", "validation_dice"}) {
      const std::size_t column = expected.column(figure);
      EXPECT_NEAR(std::stod(found.rows[epoch][column]), std::stod(expected.rows[epoch][column]), 1e-4) << epoch;
    }
  }
  EXPECT_LT(difference(file_of(four, "weights", 0), file_of(one, "weights", 0)), 1e-3);
  EXPECT_LT(difference(four + "/last.pth", one + "/last.pth"), 1e-3);  // averaged
  expect_all_ranks_equal(four, 4);
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(four)) files.insert(entry.path().filename());
  for (const char* name : {"config.json", "split.csv", "history.csv", "checkpoint.safetensors", "last.pth"})
    EXPECT_TRUE(files.contains(name)) << name;
}

TEST_F(Distributed, WithoutSynchronisedBatchNormAllRanksEndEqual) {
  expect_success(2, run, {"dropout=1"});
  expect_all_ranks_equal(run, 2);
}

TEST_F(Distributed, AStopOnOneRankLeavesACheckpointToGoOnFrom) {
  const std::string whole = folder / "whole";
  const std::vector<std::string> settings{"dropout=1", "epochs=3", "batch_size=6"};
  auto stopped = settings, resumed = settings;
  stopped.insert(stopped.end(), {"rank=1", "step=4", "stop=1"});
  resumed.push_back("resume=1");
  expect_success(2, whole, settings);
  const auto ends = train(2, run, stopped);
  for (const RankEnd& end : ends) EXPECT_EQ(end.exit_code, 130) << end.messages;
  EXPECT_CONTAINS(ends[0].messages, "stopped in epoch 2 of 3 after 6 of its 18 training slices; go on with --resume");
  expect_success(2, run, resumed);
  EXPECT_EQ(read_file(run + "/last.pth"), read_file(whole + "/last.pth"));
  EXPECT_EQ(read_file(file_of(run, "weights", 0)), read_file(file_of(whole, "weights", 0)));
}

TEST_F(Distributed, GoesOnWithAnotherNumberOfRanks) {
  const std::string whole = folder / "whole";
  const std::vector<std::string> settings{"sync_batch_norm=1", "epochs=3", "batch_size=6"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), settings.begin(), settings.end());
    return more;
  };
  expect_success(1, whole, settings);
  for (const RankEnd& end : train(2, run, with({"rank=0", "step=2", "stop=1"}))) ASSERT_EQ(end.exit_code, 130);
  for (const RankEnd& end : train(4, run, with({"resume=1", "rank=3", "step=3", "stop=1"})))
    ASSERT_EQ(end.exit_code, 130);
  expect_success(1, run, with({"resume=1"}));
  EXPECT_LT(difference(file_of(run, "weights", 0), file_of(whole, "weights", 0)), 1e-3);
}

/// 18 slices are batches of 4, 4, 4, 4 and 2 for one rank, of 4, 4, 4 and 6 for two, which need 4.
TEST_F(Distributed, GoesOnWithAnotherNumberOfRanksWhereTheBatchesAreOthers) {
  for (const auto& [before, after] : {std::pair{1, 2}, std::pair{2, 1}}) {
    const std::string to = run + std::to_string(before);
    for (const RankEnd& end : train(before, to, {"epochs=2", "batch_size=4", "rank=0", "step=4", "stop=1"}))
      ASSERT_EQ(end.exit_code, 130) << end.messages;
    expect_success(after, to, {"epochs=2", "batch_size=4", "resume=1"});
    EXPECT_EQ(read_csv(to + "/history.csv").rows.size(), 2u);
  }
}

TEST_F(Distributed, TheFirstRanksClockEndsAll) {
  expect_success(2, run, {"epochs=1000000", "max_minutes=0.03", "rank=1", "sleep=1", "step=3"});
  expect_all_ranks_equal(run, 2);
}

TEST_F(Distributed, AStrangerAtTheSamePortIsTurnedAway) {
  Environment environment{{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", test::free_port()}};
  const auto start = [&](const std::string& rank, const std::string& to) {
    environment["RANK"] = rank;
    return std::make_unique<test::Process>(
        std::vector<std::string>{test::rank_program(), data, to, "epochs=1000000", "max_minutes=0.2"}, environment);
  };
  const auto first = start("0", run), second = start("1", run);
  for (int tries = 0; tries < 600 && !std::filesystem::exists(run + "/history.csv"); ++tries) ::usleep(100'000);
  const RankEnd stranger = start("1", run + "-other")->wait();
  EXPECT_EQ(stranger.exit_code, 1);
  EXPECT_CONTAINS(stranger.messages, "another training already has a rank 1 at 127.0.0.1:");
  EXPECT_EQ(first->wait().exit_code, 0);
  EXPECT_EQ(second->wait().exit_code, 0);
}

TEST_F(Distributed, AKilledRankEndsAllWithin30Seconds) {
  const auto ends = train(3, run, {"batch_size=6", "rank=1", "step=2", "kill=1"});
  EXPECT_EQ(ends[1].exit_code, 128 + SIGKILL);
  for (const std::size_t rank : {0, 2}) {
    EXPECT_EQ(ends[rank].exit_code, 1);
    EXPECT_CONTAINS(ends[rank].messages, "rank 1 of 3 (");
    EXPECT_CONTAINS(ends[rank].messages, "has not been heard of for 15 s: it died or its link is down");
    EXPECT_LT((ends[rank].after - ends[1].after).count(), 30);
  }
}

const Environment impatient{{"PULMOSEG_HEARTBEAT_SECONDS", "3"}};

TEST_F(Distributed, AKilledFirstRankEndsAll) {
  const auto ends = train(3, run, {"batch_size=6", "rank=0", "step=2", "kill=1"}, impatient);
  EXPECT_EQ(ends[0].exit_code, 128 + SIGKILL);
  for (const std::size_t rank : {1, 2}) {
    EXPECT_EQ(ends[rank].exit_code, 1);
    EXPECT_CONTAINS(ends[rank].messages, "rank 0 of 3 (");
    EXPECT_CONTAINS(ends[rank].messages, "is gone: it died or its link is down");
  }
}

TEST_F(Distributed, AFrozenRankEndsAll) {
  for (const std::string frozen : {"0", "1"}) {
    test::Environment environment = impatient;
    environment.insert({{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", test::free_port()}});
    const std::vector<std::string> command{test::rank_program(), data,     run + frozen,
                                           "rank=" + frozen,     "step=2", "freeze=1"};
    environment["RANK"] = frozen;
    const test::Process freezing(command, environment);  // killed at the end of the scope
    environment["RANK"] = frozen == "0" ? "1" : "0";
    const RankEnd other = test::Process(command, environment).wait();
    EXPECT_EQ(other.exit_code, 1);
    EXPECT_CONTAINS(other.messages, "rank " + frozen + " of 2 (");
    EXPECT_CONTAINS(other.messages, "has not been heard of for 3 s");
  }
}

TEST_F(Distributed, ASlowRankIsWaitedFor) {
  expect_success(2, run, {"epochs=1", "rank=1", "step=2", "sleep=5"}, {{"PULMOSEG_HEARTBEAT_SECONDS", "1"}});
}

TEST_F(Distributed, AnErrorOfOneRankEndsAllWithItsReason) {
  for (const std::size_t failing : {0u, 1u}) {
    const auto ends =
        train(2, run + std::to_string(failing), {"rank=" + std::to_string(failing), "step=2", "fail=1"}, impatient);
    for (const RankEnd& end : ends) {
      EXPECT_EQ(end.exit_code, 1);
      EXPECT_CONTAINS(end.messages, "RUN/last.pth: cannot be written: No space left on device");
      EXPECT_LT(end.after.count(), 30);
    }
    EXPECT_CONTAINS(ends[1 - failing].messages, "rank " + std::to_string(failing) + " of 2 (");
  }
}

TEST_F(Distributed, ALossThatIsNoNumberEndsAll) {
  for (const RankEnd& end : train(2, run, {"rank=1", "nan=2"}, impatient)) {
    EXPECT_EQ(end.exit_code, 1);
    EXPECT_CONTAINS(end.messages, "the training loss became nan in epoch 1 after 1 batches");
  }
}

TEST_F(Distributed, ABatchThatIsTooSmallIsRefused) {
  EXPECT_CONTAINS(train(4, run, {"batch_size=6"}, impatient)[0].messages,
                  "--batch-size: expected at least 8 for 4 ranks, since BatchNorm cannot train on a single sample");
  expect_success(4, run, {"batch_size=6", "sync_batch_norm=1", "epochs=1"});
}

TEST_F(Distributed, AnotherDatasetOnARankIsNamed) {
  const std::string other = folder / "other";
  test::make_dataset(other, 28);
  Environment environment = impatient;
  environment.insert({{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", test::free_port()}});
  environment["RANK"] = "1";
  test::Process second({test::rank_program(), other, run}, environment);
  environment["RANK"] = "0";
  const RankEnd first = test::Process({test::rank_program(), data, run}, environment).wait();
  EXPECT_EQ(first.exit_code, 1);
  EXPECT_CONTAINS(first.messages, "rank 1 of 2 (");
  EXPECT_CONTAINS(first.messages, other + ": is another dataset");
  EXPECT_EQ(second.wait().exit_code, 1);
}

/// In float32 a fresh DeepLabV3 is chaotic: the same batch from its last sample to its first changes one rank's gradients by
/// percents. So float64 decides, and float32 is to differ no more than that.
TEST_F(Distributed, DeepLabV3sGradientsAreThoseOfOneRank) {
  const test::TemporaryFolder larger;
  test::make_dataset(larger / "data", 12, 32);  // 8 for training
  const auto gradients = [&](int ranks, const std::string& name, const std::string& setting) {
    const std::string to = larger / name;
    const auto ends = test::run_ranks(
        ranks, {larger / "data", to, "deeplabv3=1", "sync_batch_norm=1", "epochs=1", "batch_size=8", setting});
    for (const RankEnd& end : ends) EXPECT_EQ(end.exit_code, 0) << end.messages;
    if (ranks == 2) {
      EXPECT_EQ(read_file(file_of(to, "gradients", 0)), read_file(file_of(to, "gradients", 1)));
    }
    return file_of(to, "gradients", 0);
  };
  EXPECT_LT(difference(gradients(2, "two-double", "double=1"), gradients(1, "one-double", "double=1")), 1e-8);
  const std::string one = gradients(1, "one", "");
  EXPECT_LT(difference(gradients(2, "two", ""), one), 4 * difference(gradients(1, "turned", "reverse=1"), one));
}

}  // namespace
}  // namespace pulmoseg::training
