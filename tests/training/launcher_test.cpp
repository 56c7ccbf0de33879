// Started by torchrun and by mpirun; and between two machines, which are network namespaces here.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "fixture.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "rank_processes.hpp"
#include "support/contains.hpp"

namespace pulmoseg::training {
namespace {

using test::RankEnd;

/// The program's file in PATH; empty where it is not there.
std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string entry; std::getline(folders, entry, ':');) {
    const auto file = std::filesystem::path(entry) / name;
    if (!entry.empty() && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

/// Runs a command to its end; false when it fails.
bool succeeds(const std::vector<std::string>& command) { return test::Process(command, {}).wait().exit_code == 0; }

struct Launcher : testing::Test {
  test::TemporaryFolder folder;
  const std::string data = folder / "data", run = folder / "run";
  Launcher() { test::make_dataset(data, 26); }

  RankEnd launch(std::vector<std::string> command, test::Environment environment = {}) const {
    command.insert(command.end(), {test::rank_program(), data, run});
    environment.insert({"MASTER_PORT", test::free_port()});
    return test::Process(command, environment).wait();
  }
  void expect_two_equal_ranks() const {
    EXPECT_EQ(read_file(run + ".weights-0.safetensors"), read_file(run + ".weights-1.safetensors"));
  }
};

TEST_F(Launcher, Mpirun) {
  const std::string mpirun = find_program("mpirun");
  if (mpirun.empty()) GTEST_SKIP() << "needs mpirun (openmpi-bin)";
  const std::vector<std::string> command{mpirun, "--allow-run-as-root", "--oversubscribe", "-n", "2"};
  const RankEnd end = launch(command);
  EXPECT_EQ(end.exit_code, 0) << end.messages;
  expect_two_equal_ranks();
}

/// The torchrun of the wheel that this is built with.
TEST_F(Launcher, Torchrun) {
  const std::string packages = test::repository_file(".deps/python"), python = find_program("python3");
  if (python.empty() || !std::filesystem::exists(packages + "/typing_extensions.py"))
    GTEST_SKIP() << "needs Python and typing_extensions (scripts/setup.sh --tests)";
  for (const std::string& how : {std::string("--standalone"), "--master-port=" + test::free_port()}) {
    std::filesystem::remove_all(run);
    const RankEnd end =
        launch({python, "-m", "torch.distributed.run", how, "--no-python", "--nproc-per-node", "2", "--"},
               {{"PYTHONPATH", packages}});
    EXPECT_EQ(end.exit_code, 0) << end.messages;
    expect_two_equal_ranks();
  }
}

/// Two network namespaces and the link between them.
class TwoMachines {
 public:
  TwoMachines() {
    made_ = succeeds({"ip", "netns", "add", first}) && succeeds({"ip", "netns", "add", second}) &&
            succeeds({"ip", "link", "add", "veth0", "netns", first, "type", "veth", "peer", "name", "veth0", "netns",
                      second}) &&
            bring_up(first, "10.213.7.1/24") && bring_up(second, "10.213.7.2/24");
  }
  ~TwoMachines() {
    succeeds({"ip", "netns", "delete", first});
    succeeds({"ip", "netns", "delete", second});
  }
  bool are_there() const { return made_; }
  bool cut() const { return succeeds({"ip", "-n", second, "link", "set", "veth0", "down"}); }

  const std::string first = "pulmoseg-" + std::to_string(::getpid()) + "-0";
  const std::string second = "pulmoseg-" + std::to_string(::getpid()) + "-1";

 private:
  static bool bring_up(const std::string& machine, const std::string& address) {
    return succeeds({"ip", "-n", machine, "address", "add", address, "dev", "veth0"}) &&
           succeeds({"ip", "-n", machine, "link", "set", "lo", "up"}) &&
           succeeds({"ip", "-n", machine, "link", "set", "veth0", "up"});
  }
  bool made_ = false;
};

TEST_F(Launcher, ALinkThatIsCutEndsAllWithin30Seconds) {
  if (find_program("ip").empty() || ::geteuid() != 0) GTEST_SKIP() << "needs root and ip (iproute2)";
  const TwoMachines machines;
  if (!machines.are_there()) GTEST_SKIP() << "needs the right to make network namespaces";
  const auto start = [&](const std::string& machine, const std::string& rank) {
    return std::make_unique<test::Process>(
        std::vector<std::string>{"ip", "netns", "exec", machine, test::rank_program(), data, run, "epochs=1000",
                                 "seconds_a_step=0.05", "rank=" + rank},
        test::Environment{
            {"RANK", rank}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "10.213.7.1"}, {"MASTER_PORT", "29500"}});
  };
  const auto first = start(machines.first, "0"), second = start(machines.second, "1");
  for (int tries = 0; tries < 600 && !std::filesystem::exists(run + "/history.csv"); ++tries) ::usleep(100'000);
  ASSERT_TRUE(std::filesystem::exists(run + "/history.csv")) << "they did not train";
  ASSERT_TRUE(machines.cut());
  const auto cut = std::chrono::steady_clock::now();
  const RankEnd ends[] = {first->wait(), second->wait()};
  EXPECT_LT(std::chrono::steady_clock::now() - cut, std::chrono::seconds(30));
  for (const std::size_t rank : {0, 1}) {
    EXPECT_EQ(ends[rank].exit_code, 1);
    EXPECT_CONTAINS(ends[rank].messages, "rank " + std::to_string(1 - rank) + " of 2 (");
    EXPECT_CONTAINS(ends[rank].messages, "it died or its link is down");
  }
}

}  // namespace
}  // namespace pulmoseg::training
