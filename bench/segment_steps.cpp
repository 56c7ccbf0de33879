// What `pulmoseg segment` does with a scan, step by step and one after the other on one thread (the network on THREADS), as JSON:
// milliseconds a slice, wall time. In the program reading, writing and the network overlap.
//   bench_segment_steps MODEL.onnx SCAN auto|fp32|bf16|int8 THREADS FOLDER

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pulmoseg/dataset/familiarity.hpp"
#include "pulmoseg/evaluation/interpret.hpp"
#include "pulmoseg/inference/engine.hpp"
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

/// From the network's grid to the slice's own, and the lesions there.
std::vector<std::uint8_t> lesion_of(std::vector<float>& logits, std::int64_t size, std::int64_t rows,
                                    std::int64_t columns, std::size_t lesion) {
  const auto inner = static_cast<std::size_t>(size * size), pixels = static_cast<std::size_t>(rows * columns);
  const std::size_t classes = logits.size() / inner;
  inference::softmax(logits, 1, static_cast<std::int64_t>(classes), size * size);
  std::vector<float> probabilities(classes * pixels);
  for (std::size_t c = 0; c < classes; ++c) {
    dataset::resize_bilinear(std::span(logits).subspan(c * inner, inner), size, size,
                             std::span(probabilities).subspan(c * pixels, pixels), rows, columns);
  }
  std::vector<std::uint8_t> mask(pixels);
  for (std::size_t i = 0; i < pixels; ++i) mask[i] = probabilities[lesion * pixels + i] > 0.5F;
  return mask;
}

void time_steps(const std::vector<std::string>& arguments) {
  const std::filesystem::path folder = arguments.at(4);
  Steps steps;
  std::optional<inference::Engine> engine;
  steps.time("load the model (whole)", [&] {
    engine.emplace(arguments.at(0),
                   inference::EngineOptions{.precision = arguments.at(2), .threads = std::stoi(arguments.at(3))});
  });
  const dataset::Preprocessing& preprocessing = engine->preprocessing();
  const std::size_t lesion = engine->classes().size() - 1;
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
      mask = lesion_of(logits, preprocessing.size, slice.rows, slice.columns, lesion);
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
  try {
    time_steps({arguments + 1, arguments + count});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
