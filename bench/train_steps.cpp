// Trains for some steps with the loop that `pulmoseg train` runs and prints how long each took, as JSON.
//   bench_train_steps DATASET STEPS fp32|bf16 [THREADS [BATCH_SIZE]]
// With PULMOSEG_BENCH_OPERATORS=1, the time of each of LibTorch's operators in the last step, without those that it calls,
// goes to stderr.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "program.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/training/train.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// Adds up, by name, the time that operators of one thread take by themselves.
class OperatorTimes {
 public:
  OperatorTimes() {
    at::addGlobalCallback(at::RecordFunctionCallback(
        [](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
          open_.push_back({Clock::now(), {}});
          return nullptr;
        },
        [](const at::RecordFunction& function, at::ObserverContext*) {
          if (open_.empty()) return;
          const auto elapsed = Clock::now() - open_.back().start;
          const auto own = elapsed - open_.back().inside;
          open_.pop_back();
          if (!open_.empty()) open_.back().inside += elapsed;
          auto& total = totals_[function.name()];
          total.first += std::chrono::duration<double, std::milli>(own).count();
          total.second += 1;
        }));
  }
  void clear() { totals_.clear(); }
  void print() const {
    std::vector<std::pair<double, std::string>> sorted;
    for (const auto& [name, total] : totals_) {
      sorted.emplace_back(total.first, fmt::format("{:9.1f} ms {:6} times  {}", total.first, total.second, name));
    }
    std::sort(sorted.rbegin(), sorted.rend());
    for (const auto& [time, line] : sorted) {
      if (time >= 1) fmt::print(stderr, "{}\n", line);
    }
  }

 private:
  struct Open {
    Clock::time_point start;
    Clock::duration inside;
  };
  inline static thread_local std::vector<Open> open_;
  inline static thread_local std::map<std::string, std::pair<double, int>> totals_;
};

struct ScratchFolder {
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pulmoseg-bench-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error(name + ": cannot be made");
    path = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

double peak_memory_in_megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void time_steps(const std::vector<std::string>& arguments) {
  using namespace pulmoseg;
  const auto dataset = dataset::Dataset::open(arguments.at(0));
  const std::size_t steps = std::stoul(arguments.at(1));
  auto options = training::recipe("original");
  options.precision = training::parse_precision(arguments.at(2));
  options.threads = arguments.size() > 3 ? std::stoi(arguments[3]) : 2;
  options.batch_size = arguments.size() > 4 ? std::stol(arguments[4]) : 4;

  std::optional<OperatorTimes> operators;
  if (std::getenv("PULMOSEG_BENCH_OPERATORS")) operators.emplace();
  std::vector<double> seconds;
  std::stop_source stop;
  auto start = Clock::now();
  training::TrainingCallbacks callbacks;
  callbacks.stop = stop.get_token();
  callbacks.on_step = [&](const training::StepRecord&) {
    const auto now = Clock::now();
    seconds.push_back(std::chrono::duration<double>(now - std::exchange(start, now)).count());
    if (operators && seconds.size() + 1 == steps) operators->clear();
    if (operators && seconds.size() == steps) operators->print();
    if (seconds.size() == steps) stop.request_stop();
  };
  const ScratchFolder folder;
  try {
    training::train(dataset, dataset::split_by_slice(dataset, 0), folder.path / "run", options, callbacks);
  } catch (const Interrupted&) {  // as asked, after the last step
  }
  fmt::print("{{\"batch_size\": {}, \"seconds\": [{:.4f}], \"peak_memory_mb\": {:.0f}}}\n", options.batch_size,
             fmt::join(seconds, ", "), peak_memory_in_megabytes());
}

}  // namespace

int main(int count, char** arguments) {
  return pulmoseg::bench::run(count, arguments, "bench_train_steps DATASET STEPS fp32|bf16 [THREADS [BATCH_SIZE]]",
                              time_steps);
}
