#pragma once
// Starts the ranks of a training (rank_program.cpp) as processes, by hand or by a launcher, and collects how they end.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "support/data.hpp"

namespace pulmoseg::test {

struct RankEnd {
  int exit_code = 0;                      ///< 128 + signal when it was killed by one
  std::string messages;                   ///< stderr
  std::chrono::duration<double> after{};  ///< the start
};

using Environment = std::map<std::string, std::string>;

/// The file of training_rank.
std::filesystem::path rank_program();

/// A command that runs in the background, its stderr kept. Killed when it is still there at the end of the scope.
class Process {
 public:
  Process(const std::vector<std::string>& command, const Environment& environment);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t id() const { return id_; }
  RankEnd wait();

 private:
  TemporaryFolder folder_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  pid_t id_ = -1;
};

/// All ranks of a training on this machine, in the order of their numbers, with RANK, WORLD_SIZE and the rest set.
std::vector<RankEnd> run_ranks(int ranks, const std::vector<std::string>& arguments,
                               const Environment& environment = {});

/// A TCP port that was free a moment ago.
std::string free_port();

}  // namespace pulmoseg::test
