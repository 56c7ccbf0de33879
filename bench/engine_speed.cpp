// Runs slices of a dataset through the engine of `pulmoseg segment`, from memory to memory, and prints the time, as JSON.
//   bench_engine_speed MODEL.onnx DATASET auto|fp32|bf16|int8 THREADS SLICES

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <vector>

#include "program.hpp"
#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/inference/engine.hpp"

namespace {

void time_slices(const std::vector<std::string>& arguments) {
  using namespace pulmoseg;
  inference::Engine engine(arguments.at(0), {.precision = arguments.at(2), .threads = std::stoi(arguments.at(3))});
  const auto dataset = dataset::Dataset::open(arguments.at(1));
  const std::int64_t slices = std::stol(arguments.at(4));
  const auto through = [&](std::int64_t count) {
    for (std::int64_t row = 0; row < count; ++row) {
      if (engine.under_way() == engine.slices_in_flight()) engine.collect();
      engine.start(dataset.image(row % dataset.size()));
    }
    while (engine.under_way() > 0) engine.collect();
  };
  through(engine.slices_in_flight());  // the first runs take memory
  const auto start = std::chrono::steady_clock::now();
  through(slices);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("{{\"precision\": \"{}\", \"seconds_a_slice\": {:.5f}, \"peak_memory_mb\": {}}}\n", engine.precision(),
             seconds.count() / static_cast<double>(slices), usage.ru_maxrss / 1024);
}

}  // namespace

int main(int count, char** arguments) {
  return pulmoseg::bench::run(count, arguments,
                              "bench_engine_speed MODEL.onnx DATASET auto|fp32|bf16|int8 THREADS SLICES", time_slices);
}
