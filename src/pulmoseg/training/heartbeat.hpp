#pragma once
// The ranks watch over each other, so that none waits for one that died: an exchange of gradients has no time limit, since a
// slow rank is a healthy one.
//
// Each rank counts up in the common store about once a second, from a thread of its own, and looks at the counters of the
// others. One that stands still, a store that does not answer, or an error that a rank left in the store ends this process:
// one line says which rank it was, then std::_Exit(1), because the thread that trains may hang in an exchange for ever. Files
// are atomic, so nothing is half-written.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "pulmoseg/training/ranks.hpp"

namespace pulmoseg::training {

/// Beats from construction to destruction, in every rank. Threads: fail() from any.
class Heartbeat {
 public:
  /// `store`: a connection of its own. `hosts`: the machine of each rank, for messages.
  Heartbeat(const RankPlace& place, std::vector<std::string> hosts, c10::intrusive_ptr<c10d::Store> store);
  ~Heartbeat();

  /// An error of this rank: tells the others, prints it and ends this process. Where it may only be the echo of another rank's
  /// end (`may_be_echo`: sockets close before anyone can tell why), first waits to see whether all others are alive.
  [[noreturn]] void fail(const std::string& reason, bool may_be_echo, int exit_code);

  /// Of the counters. A rank has set its own before any heartbeat starts.
  static std::string beat_key(int rank) { return "beat " + std::to_string(rank); }

  /// This rank left in good order: its counter may stand still.
  static std::string left_key(int rank) { return "left " + std::to_string(rank); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Sign {
    std::vector<std::uint8_t> counter;
    Clock::time_point seen;
  };

  void beat(const std::stop_token& stop);
  void watch_the_store(const std::stop_token& stop);
  void listen();
  bool all_are_alive();
  std::string name_of(int rank) const;
  std::string keeper() const;
  void sleep(std::chrono::milliseconds time, const std::stop_token& stop);
  [[noreturn]] void end_process(const std::string& message, int exit_code = 1);

  RankPlace place_;
  std::vector<std::string> hosts_, beat_keys_;
  std::chrono::milliseconds patience_, interval_;
  c10::intrusive_ptr<c10d::Store> store_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Sign> signs_;     // of each rank, under mutex_
  Clock::time_point answered_;  // when the store last did, under mutex_
  std::atomic<bool> ending_ = false;
  std::jthread watcher_, beater_;  // last, and in this order: the watcher ends when the other has
};

}  // namespace pulmoseg::training
