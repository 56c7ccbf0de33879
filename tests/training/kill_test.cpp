// A run that is killed at random moments and resumed each time ends with the bytes of one that was not.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "fixture.hpp"
#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::training {
namespace {

using Clock = std::chrono::steady_clock;

/// What the process does that is killed; see start_training().
void train_as_told(const char* run) {
  auto options = test::quick_options();
  options.epochs = 3;
  options.checkpoint_minutes = 1e-9;  // after every step
  options.resume = std::getenv("PULMOSEG_TEST_RESUME") != nullptr;
  test::train_tiny(dataset::Dataset::open(std::getenv("PULMOSEG_TEST_DATA")), run, options);
}

/// This test again in a process of its own: threads of LibTorch do not survive a fork alone.
pid_t start_training(const std::filesystem::path& data, const std::filesystem::path& run, bool resume) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::setenv("PULMOSEG_TEST_DATA", data.c_str(), 1);
  ::setenv("PULMOSEG_TEST_RUN", run.c_str(), 1);
  if (resume) ::setenv("PULMOSEG_TEST_RESUME", "1", 1);
  ::execl("/proc/self/exe", "training_test", "--gtest_filter=KilledRun.EndsWithTheSameBytes", "--gtest_brief=1",
          nullptr);
  ::_exit(1);
}

int status_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

void expect_same_bytes(const RunFolder& found, const RunFolder& expected) {
  EXPECT_EQ(read_file(found.best_weights()), read_file(expected.best_weights()));
  EXPECT_EQ(read_file(found.last_weights()), read_file(expected.last_weights()));
  EXPECT_EQ(read_file(found.onnx()), read_file(expected.onnx()));
}

TEST(KilledRun, EndsWithTheSameBytes) {
  if (const char* run = std::getenv("PULMOSEG_TEST_RUN")) return train_as_told(run);
  const test::TemporaryFolder folder;
  test::make_dataset(folder / "data", 26);
  const RunFolder whole{folder / "whole"};
  const auto start = Clock::now();
  ASSERT_EQ(status_of(start_training(folder / "data", whole.folder, false)), 0);
  const std::chrono::duration<double> whole_run = Clock::now() - start;

  std::mt19937 random(5);
  std::uniform_real_distribution<double> share(0, 0.7);
  RunFolder killed{folder / "killed"};
  int kills = 0, runs = 0;
  while (kills < 20 || runs == 0) {
    ASSERT_LT(runs, 100) << "training is too quick to be killed";
    const bool resume = std::filesystem::exists(killed.config());
    const pid_t child = start_training(folder / "data", killed.folder, resume);
    if (kills < 20) {
      std::this_thread::sleep_for(whole_run * share(random));
      ::kill(child, SIGKILL);
    }
    const int status = status_of(child);
    if (WIFSIGNALED(status)) {
      kills += 1;
      continue;
    }
    ASSERT_EQ(status, 0);
    expect_same_bytes(killed, whole);
    killed.folder = folder / ("killed-" + std::to_string(++runs));
  }
}

}  // namespace
}  // namespace pulmoseg::training
