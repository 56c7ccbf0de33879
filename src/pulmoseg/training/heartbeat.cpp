#include "pulmoseg/training/heartbeat.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace pulmoseg::training {
namespace {

constexpr const char* failure_key = "failure";
constexpr const char* what_to_do = "the last checkpoint is kept: go on with --resume, with any number of ranks";

}  // namespace

Heartbeat::Heartbeat(const RankPlace& place, std::vector<std::string> hosts, c10::intrusive_ptr<c10d::Store> store)
    : place_(place),
      hosts_(std::move(hosts)),
      patience_(std::chrono::seconds(place.patience)),
      interval_(patience_ / 15),
      store_(std::move(store)),
      signs_(static_cast<std::size_t>(place.ranks), Sign{.counter = {}, .seen = Clock::now()}),
      answered_(Clock::now()) {
  for (int rank = 0; rank < place_.ranks; ++rank) beat_keys_.push_back(beat_key(rank));
  watcher_ = std::jthread([this](const std::stop_token& stop) { watch_the_store(stop); });
  beater_ = std::jthread([this](const std::stop_token& stop) { beat(stop); });
}

Heartbeat::~Heartbeat() = default;

void Heartbeat::beat(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      store_->add(beat_keys_[static_cast<std::size_t>(place_.rank)], 1);
      if (store_->check({failure_key})) end_process(store_->get_to_str(failure_key));
      listen();
      sleep(interval_, stop);
    }
  } catch (const std::exception&) {  // the connection broke
    end_process(fmt::format("{} is gone: it died or its link is down; {}", keeper(), what_to_do));
  }
}

void Heartbeat::listen() {
  const auto counters = store_->multiGet(beat_keys_);
  std::vector<int> silent;
  {
    const std::scoped_lock lock(mutex_);
    answered_ = Clock::now();
    for (int rank = 0; rank < place_.ranks; ++rank) {
      const auto i = static_cast<std::size_t>(rank);
      if (signs_[i].counter != counters[i]) signs_[i] = {.counter = counters[i], .seen = answered_};
      if (answered_ - signs_[i].seen > patience_) silent.push_back(rank);
    }
  }
  for (const int rank : silent) {
    if (store_->check({left_key(rank)})) continue;
    const std::string message = fmt::format("{} has not been heard of for {} s: it died or its link is down; {}",
                                            name_of(rank), place_.patience, what_to_do);
    end_process(store_->compareSet(failure_key, "", message));
  }
}

/// In a thread of its own: the other one hangs when the store's machine is cut off.
void Heartbeat::watch_the_store(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    sleep(interval_, stop);
    const std::scoped_lock lock(mutex_);
    if (Clock::now() - answered_ < patience_ + interval_) continue;
    end_process(fmt::format("{} has not been heard of for {} s: it died or its link is down; {}", keeper(),
                            place_.patience, what_to_do));
  }
}

void Heartbeat::fail(const std::string& reason, bool may_be_echo, int exit_code) {
  const auto start = Clock::now();
  const auto look = 5 * interval_;  // a living rank beats several times meanwhile
  while (may_be_echo && (Clock::now() - start < look || (!all_are_alive() && Clock::now() - start < 2 * patience_)))
    std::this_thread::sleep_for(interval_);
  std::string first = fmt::format("{} failed: {}", name_of(place_.rank), reason);
  try {
    const std::string mine = first;
    first = store_->compareSet(failure_key, "", mine);
    end_process(first == mine ? reason : first, exit_code);
  } catch (const std::exception&) {  // no store, nobody to tell
    end_process(reason, exit_code);
  }
}

bool Heartbeat::all_are_alive() {
  const std::scoped_lock lock(mutex_);
  const auto now = Clock::now();
  for (const Sign& sign : signs_) {
    if (now - sign.seen > 4 * interval_) return false;
  }
  return now - answered_ < 4 * interval_;
}

std::string Heartbeat::name_of(int rank) const {
  return fmt::format("rank {} of {} ({})", rank, place_.ranks, hosts_[static_cast<std::size_t>(rank)]);
}

std::string Heartbeat::keeper() const {
  if (!place_.launcher_keeps_store) return name_of(0);
  return fmt::format("torchrun's store at {}:{}", place_.master_address, place_.master_port);
}

void Heartbeat::sleep(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [] { return false; });
}

/// Where this process keeps the store, the others first get the time to read there why it ends.
void Heartbeat::end_process(const std::string& message, int exit_code) {
  if (ending_.exchange(true)) std::this_thread::sleep_for(std::chrono::hours(1));  // the other thread ends it
  spdlog::error("{}", message);
  spdlog::default_logger()->flush();
  if (place_.rank == 0 && !place_.launcher_keeps_store) std::this_thread::sleep_for(3 * interval_);
  std::_Exit(exit_code);
}

}  // namespace pulmoseg::training
