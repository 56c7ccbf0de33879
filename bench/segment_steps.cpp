// What `pulmoseg segment` does with a scan, step by step and one after the other on one thread (the network on THREADS), as JSON:
// milliseconds a slice, wall time. In the program reading, writing and the network overlap.
//   bench_segment_steps MODEL.onnx SCAN auto|fp32|bf16|int8 THREADS FOLDER

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "program.hpp"
#include "pulmoseg/dataset/familiarity.hpp"
#include "pulmoseg/evaluation/interpret.hpp"
#include "pulmoseg/inference/segment.hpp"
#include "pulmoseg/masks/run_mask.hpp"
#include "pulmoseg/report/overlay.hpp"
#include "pulmoseg/volume/volume_reader.hpp"
#include "pulmoseg/volume/volume_writer.hpp"

namespace {

using namespace pulmoseg;

/// Adds up the time of each kind of work.
class Steps {
 public:
  template <class Work>
  void time(const std::string& name, Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const auto taken = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    const auto place = std::ranges::find(milliseconds_, name, &std::pair<std::string, double>::first);
    if (place == milliseconds_.end())
      milliseconds_.emplace_back(name, taken);
    else
      place->second += taken;
  }

  std::string json(std::int64_t slices) const {
    std::string text;
    for (const auto& [name, sum] : milliseconds_) {
      const double of = name.ends_with("(whole)") ? 1 : static_cast<double>(slices);
      text += fmt::format("{}\"{}\": {:.3f}", text.empty() ? "" : ", ", name, sum / of);
    }
    return "{" + text + "}";
  }

 private:
  std::vector<std::pair<std::string, double>> milliseconds_;  // in the order in which they came first
};

void time_steps(const std::vector<std::string>& arguments) {
  const std::filesystem::path folder = arguments.at(4);
  Steps steps;
  std::optional<inference::Engine> engine;
  steps.time("load the model (whole)", [&] {
    engine.emplace(arguments.at(0),
                   inference::EngineOptions{.precision = arguments.at(2), .threads = std::stoi(arguments.at(3))});
  });
  const dataset::Preprocessing& preprocessing = engine->preprocessing();
  const dataset::Region lesion = engine->classes().lesion();
  auto scan = volume::VolumeReader::open(arguments.at(1), std::uint64_t{1} << 32);
  const auto size = scan.geometry().size;
  steps.time("unpack", [&] { scan.read_ahead(); });
  masks::RunMask found(size);
  for (volume::AxialSlice slice; scan.next_index();) {
    steps.time("convert", [&] { scan.next(slice); });
    std::vector<float> image, logits;
    std::vector<std::uint8_t> mask;
    bool holds_body = true;
    steps.time("preprocess", [&] {
      if (!(holds_body = dataset::holds_body(slice.pixels))) return;
      image = dataset::preprocess(slice.pixels, slice.rows, slice.columns, preprocessing);
      dataset::equalise(image, preprocessing.size, preprocessing.size, preprocessing);
      dataset::appearance_of(image, preprocessing.size);
    });
    if (!holds_body) continue;
    steps.time("network, one slice at a time",
               [&] { logits = engine->run(image, 1, preprocessing.size, preprocessing.size); });
    steps.time("back to the grid", [&] {
      const std::int64_t pixels = preprocessing.size * preprocessing.size;
      inference::softmax(logits, 1, std::ssize(logits) / pixels, pixels);
      const auto labels = inference::most_probable(
          inference::on_grid(logits, preprocessing.size, slice.rows, slice.columns), slice.pixels.size());
      mask = evaluation::mask_of(labels, lesion);
      found.set(slice.index, mask);
    });
  }
  scan.rewind();
  report::SliceGallery gallery(size[2]);
  volume::VolumeWriter writer(folder / "lesion.nii.gz", scan.source(), volume::VoxelType::uint8);
  for (volume::AxialSlice slice; scan.next(slice);) {
    const auto mask = found.pixels(slice.index);
    gallery.offer(slice.index, slice.rows, slice.columns, slice.pixels, mask);
    steps.time("write a mask", [&] { writer.write(slice.index, mask); });
  }
  steps.time("write a mask", [&] { writer.commit(); });
  steps.time("picture (whole)", [&] { report::draw_montage({.slices = gallery.finish()}, folder / "picture.png"); });
  fmt::print("{}\n", steps.json(size[2]));
}

}  // namespace

int main(int count, char** arguments) {
  return pulmoseg::bench::run(count, arguments,
                              "bench_segment_steps MODEL.onnx SCAN auto|fp32|bf16|int8 THREADS FOLDER", time_steps);
}
