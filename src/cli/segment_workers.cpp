#include "segment_workers.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::cli {
namespace {

std::vector<std::string> own_command_line() {
  std::vector<std::string> arguments(1);
  for (const char c : read_file("/proc/self/cmdline")) {
    if (c == '\0')
      arguments.emplace_back();
    else
      arguments.back() += c;
  }
  arguments.pop_back();
  return arguments;
}

/// Which of all shards the worker has, if each of the old ones is dealt out again.
Shard part_of(const Shard& shard, int worker, int workers) {
  return {shard.index + shard.count * worker, shard.count * workers};
}

pid_t start(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw Error(fmt::format("a worker cannot be started: {}", std::strerror(errno)));
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nobody is left to work for
  if (::getppid() == parent) ::execv("/proc/self/exe", pointers.data());
  ::_exit(127);
}

/// Processes that may be sent a signal until they were waited for: then their numbers may be others'.
class Workers {
 public:
  explicit Workers(std::vector<pid_t> started) : there_(std::move(started)) {}

  void ask_to_stop() {
    const std::scoped_lock lock(mutex_);
    for (const pid_t worker : there_) {
      if (worker > 0) ::kill(worker, SIGTERM);
    }
  }

  /// Nothing when all went well.
  std::string wait_for(std::size_t number) {
    pid_t& worker = there_[number];
    siginfo_t ended{};
    while (::waitid(P_PID, static_cast<id_t>(worker), &ended, WEXITED | WNOWAIT) < 0) {
      if (errno != EINTR) return std::strerror(errno);
    }
    const std::scoped_lock lock(mutex_);
    int status = 0;
    ::waitpid(std::exchange(worker, 0), &status, 0);
    if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? "" : fmt::format("ended with exit code {}", WEXITSTATUS(status));
  }

 private:
  std::mutex mutex_;
  std::vector<pid_t> there_;  // 0: was waited for
};

/// The options that make a worker of this very call, before a "--", behind which all are inputs.
std::vector<std::string> command_line_of(const Shard& part, int threads) {
  auto arguments = own_command_line();
  const std::vector<std::string> options{"--workers", "1",
                                         "--shard",   fmt::format("{}/{}", part.index, part.count),
                                         "--threads", fmt::format("{}", threads)};
  arguments.insert(std::ranges::find(arguments, "--"), options.begin(), options.end());
  return arguments;
}

}  // namespace

void run_workers(int workers, const Shard& shard, int threads) {
  const int all = threads > 0 ? threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<pid_t> started;
  for (int worker = 0; worker < workers; ++worker)
    started.push_back(start(command_line_of(part_of(shard, worker, workers), std::max(1, all / workers))));
  Workers there(std::move(started));
  const std::stop_callback pass_on(stop_token(), [&] { there.ask_to_stop(); });
  int failed = 0;
  for (int i = 0; i < workers; ++i) {
    const std::string reason = there.wait_for(static_cast<std::size_t>(i));
    if (reason.empty()) continue;
    ++failed;
    spdlog::error("worker {} of {} {}", i + 1, workers, reason);
  }
  stop_if_asked();
  if (failed > 0) throw Error(fmt::format("{} of {} workers failed; --resume does the rest", failed, workers));
}

}  // namespace pulmoseg::cli
