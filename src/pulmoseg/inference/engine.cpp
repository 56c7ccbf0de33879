#include "pulmoseg/inference/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/inference/network.hpp"

namespace pulmoseg::inference {
namespace {

/// `images` planes of rows x columns, their columns reversed. Mirroring twice gives the images back.
std::vector<float> mirrored(std::span<const float> images, std::int64_t columns) {
  std::vector<float> result(images.size());
  for (std::size_t line = 0; line < images.size(); line += static_cast<std::size_t>(columns)) {
    std::ranges::reverse_copy(images.subspan(line, static_cast<std::size_t>(columns)),
                              result.begin() + static_cast<std::ptrdiff_t>(line));
  }
  return result;
}

/// Networks whose answers are to be averaged speak of the same.
void check_alike(const NetworkFacts& first, const NetworkFacts& other) {
  if (other.classes != first.classes) {
    throw Error(fmt::format("{}: tells {} apart, {} {}; take models of the same classes", other.file.string(),
                            other.classes.text(), first.file.string(), first.classes.text()));
  }
  if (other.preprocessing != first.preprocessing) {
    throw Error(fmt::format("{}: sees slices preprocessed in another way than {}; take models that were trained alike",
                            other.file.string(), first.file.string()));
  }
}

}  // namespace

struct Engine::State {
  /// One that is under way: the sum of the probabilities so far.
  struct Slice {
    std::vector<float> sum;
    std::int64_t rows, columns;
  };
  struct Question {
    std::size_t slice;  // its number
    bool mirrored;
  };

  std::vector<Network> networks;
  std::vector<std::deque<Question>> asked;  // of each network, as they were started
  std::vector<bool> mirrors;                // whether to ask about the slice as it is (false), mirrored (true)
  std::deque<Slice> slices;
  std::size_t first = 0;  // number of the first of `slices`

  explicit State(bool with_mirror) : mirrors(with_mirror ? std::vector{false, true} : std::vector{false}) {}
  std::size_t answers() const { return networks.size() * mirrors.size(); }
  void add(Network network);
  void start(std::span<const float> image, std::int64_t rows, std::int64_t columns);
  void take_answer(std::size_t network);
  std::vector<float> collect();
  void abandon();
};

void Engine::State::add(Network network) {
  if (!networks.empty()) check_alike(networks.front().facts(), network.facts());
  networks.push_back(std::move(network));
  asked.emplace_back();
}

void Engine::State::start(std::span<const float> image, std::int64_t rows, std::int64_t columns) {
  slices.push_back({{}, rows, columns});
  const std::size_t number = first + slices.size() - 1;
  for (std::size_t n = 0; n < networks.size(); ++n) {
    for (const bool mirror : mirrors) {
      if (networks[n].under_way() == networks[n].requests()) take_answer(n);
      if (mirror)
        networks[n].start(mirrored(image, columns), rows, columns);
      else
        networks[n].start(image, rows, columns);
      asked[n].push_back({number, mirror});
    }
  }
}

void Engine::State::take_answer(std::size_t network) {
  std::vector<float> logits = networks[network].collect();
  const auto [number, is_mirrored] = asked[network].front();
  asked[network].pop_front();
  Slice& slice = slices[number - first];
  if (answers() == 1) {
    slice.sum = std::move(logits);
    return;
  }
  const std::int64_t pixels = slice.rows * slice.columns;
  softmax(logits, 1, std::ssize(logits) / pixels, pixels);
  if (is_mirrored) logits = mirrored(logits, slice.columns);
  if (slice.sum.empty())
    slice.sum = std::move(logits);
  else
    std::ranges::transform(slice.sum, logits, slice.sum.begin(), std::plus());
}

std::vector<float> Engine::State::collect() {
  if (slices.empty()) throw Error("no image is under way");
  for (std::size_t n = 0; n < networks.size(); ++n) {
    while (!asked[n].empty() && asked[n].front().slice == first) take_answer(n);
  }
  std::vector<float> result = std::move(slices.front().sum);
  slices.pop_front();
  ++first;
  if (answers() == 1) return result;
  for (float& value : result) value = std::log(std::max(value / static_cast<float>(answers()), 1e-30F));
  return result;
}

void Engine::State::abandon() {
  for (std::size_t n = 0; n < networks.size(); ++n) {
    networks[n].abandon();
    asked[n].clear();
  }
  slices.clear();
}

Engine::Engine(const std::vector<std::filesystem::path>& onnx, const EngineOptions& options)
    : state_(std::make_unique<State>(options.mirror)) {
  if (onnx.empty()) throw UsageError("no model is named");
  for (const auto& file : onnx) state_->add(Network(file, options));
}

Engine::Engine(const std::filesystem::path& onnx, const EngineOptions& options) : Engine(std::vector{onnx}, options) {}

Engine::Engine(const onnx::Model& model, const std::filesystem::path& name, const EngineOptions& options)
    : state_(std::make_unique<State>(options.mirror)) {
  state_->add(Network(model, name, options));
}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

const std::filesystem::path& Engine::file() const { return state_->networks.front().facts().file; }
const std::string& Engine::precision() const { return state_->networks.front().facts().precision; }
const dataset::ClassMap& Engine::classes() const { return state_->networks.front().facts().classes; }
const dataset::Preprocessing& Engine::preprocessing() const { return state_->networks.front().facts().preprocessing; }
const std::map<std::string, std::string>& Engine::metadata() const { return state_->networks.front().facts().metadata; }
const std::optional<dataset::Familiarity>& Engine::familiarity() const {
  return state_->networks.front().facts().familiarity;
}

std::int64_t Engine::slices_in_flight() const {
  const std::size_t requests = state_->networks.front().requests();
  // Of many answers a slice, the next one begins before the last answer of the one before has come.
  return static_cast<std::int64_t>(state_->answers() == 1 ? requests : requests / state_->mirrors.size() + 2);
}
std::int64_t Engine::under_way() const { return std::ssize(state_->slices); }
void Engine::abandon() { state_->abandon(); }

void Engine::start(std::span<const float> image) {
  const std::int64_t size = preprocessing().size;
  if (under_way() == slices_in_flight()) throw Error(fmt::format("{} images are under way already", under_way()));
  if (std::ssize(image) != preprocessing().channels() * size * size) {
    throw Error(fmt::format("{}: was given an image of {} pixels, expected {} channels of {}x{}", file().string(),
                            image.size(), preprocessing().channels(), size, size));
  }
  state_->start(image, size, size);
}

std::vector<float> Engine::collect() { return state_->collect(); }

std::vector<float> Engine::run(std::span<const float> images, std::int64_t n, std::int64_t rows, std::int64_t columns) {
  const std::int64_t channels = preprocessing().channels();
  if (n < 0 || rows < 1 || columns < 1 || std::ssize(images) != n * channels * rows * columns) {
    throw Error(fmt::format("{}: was given {} pixels, expected {} images of {}x{} with {} channels", file().string(),
                            images.size(), n, rows, columns, channels));
  }
  abandon();
  const auto length = static_cast<std::size_t>(channels * rows * columns);
  std::vector<float> logits;
  logits.reserve(static_cast<std::size_t>(n * rows * columns) * classes().size());
  const auto collect_one = [&] {
    const std::vector<float> one = collect();
    logits.insert(logits.end(), one.begin(), one.end());
  };
  try {
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      if (under_way() == slices_in_flight()) collect_one();
      state_->start(images.subspan(i * length, length), rows, columns);
    }
    while (under_way() > 0) collect_one();
  } catch (...) {
    abandon();
    throw;
  }
  return logits;
}

void softmax(std::span<float> logits, std::int64_t n, std::int64_t classes, std::int64_t pixels) {
  for (std::int64_t image = 0; image < n; ++image) {
    float* const first = logits.data() + image * classes * pixels;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      float* const value = first + pixel;
      float largest = value[0], sum = 0;
      for (std::int64_t c = 1; c < classes; ++c) largest = std::max(largest, value[c * pixels]);
      for (std::int64_t c = 0; c < classes; ++c) sum += value[c * pixels] = std::exp(value[c * pixels] - largest);
      for (std::int64_t c = 0; c < classes; ++c) value[c * pixels] /= sum;
    }
  }
}

dataset::ClassMap classes_of(const std::filesystem::path& onnx) {
  return read_classes(onnx::read_header(onnx).metadata, onnx);
}

std::filesystem::path find_model(const std::filesystem::path& run_or_onnx) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(run_or_onnx, ignored)) {
    if (std::filesystem::exists(run_or_onnx, ignored)) return run_or_onnx;
    throw Error(fmt::format("{}: does not exist, expected an .onnx file or the folder of a training run",
                            run_or_onnx.string()));
  }
  const auto file = run_or_onnx / "model.onnx";
  if (std::filesystem::is_regular_file(file, ignored)) return file;
  throw Error(
      fmt::format("{}: holds no model.onnx, expected the folder of a finished training run", run_or_onnx.string()));
}

}  // namespace pulmoseg::inference
