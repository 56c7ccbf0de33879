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
#include <string>
#include <thread>
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

/// Nothing when all went well.
std::string wait_for(pid_t worker) {
  int status = 0;
  while (::waitpid(worker, &status, 0) < 0) {
    if (errno != EINTR) return std::strerror(errno);
  }
  if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace

void run_workers(int workers, const Shard& shard, int threads) {
  const int all = threads > 0 ? threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<pid_t> started;
  for (int worker = 0; worker < workers; ++worker) {
    auto arguments = own_command_line();
    const Shard part = part_of(shard, worker, workers);
    for (const std::string& argument : {std::string("--workers"), std::string("1"), std::string("--shard"),
                                        fmt::format("{}/{}", part.index, part.count), std::string("--threads"),
                                        fmt::format("{}", std::max(1, all / workers))})
      arguments.push_back(argument);
    started.push_back(start(std::move(arguments)));
  }
  int failed = 0;
  for (std::size_t i = 0; i < started.size(); ++i) {
    const std::string reason = wait_for(started[i]);
    if (reason.empty()) continue;
    ++failed;
    spdlog::error("worker {} of {} {}", i + 1, workers, reason);
  }
  stop_if_asked();
  if (failed > 0) throw Error(fmt::format("{} of {} workers failed; --resume does the rest", failed, workers));
}

}  // namespace pulmoseg::cli
