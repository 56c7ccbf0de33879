#include "pulmoseg/inference/engine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <openvino/openvino.hpp>
#include <openvino/pass/constant_folding.hpp>
#include <openvino/pass/manager.hpp>
#include <optional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/inference/openvino_text.hpp"
#include "pulmoseg/onnx/quantised_activations.hpp"

namespace pulmoseg::inference {
namespace {

constexpr const char *classes_key = "pulmoseg.classes", *class_map_key = "pulmoseg.class_map";

/// More requests than this take memory and make nothing faster: beyond it, several threads share a slice.
constexpr std::uint32_t most_requests = 16;

constexpr std::int64_t most_classes = 256;  ///< what a label of 8 bits can tell apart

/// "[?,1,256,256]": what is not fixed is a question mark.
std::string describe(const ov::PartialShape& shape) {
  if (shape.rank().is_dynamic()) return "[...]";
  std::vector<std::string> sizes;
  for (const auto& size : shape) sizes.push_back(size.is_static() ? fmt::to_string(size.get_length()) : "?");
  return fmt::format("[{}]", fmt::join(sizes, ","));
}

std::string describe(const std::vector<ov::Output<const ov::Node>>& ports) {
  std::vector<std::string> texts;
  for (const auto& port : ports) {
    texts.push_back(fmt::format("'{}' {} {}", port.get_names().empty() ? "?" : *port.get_names().begin(),
                                port.get_element_type().to_string(), describe(port.get_partial_shape())));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

bool is_float_image_batch(const ov::Output<const ov::Node>& port) {
  return port.get_element_type() == ov::element::f32 && port.get_partial_shape().rank() == 4;
}

/// The number of classes, when the network has the shape that we run.
std::int64_t check_network(const ov::Model& network, std::int64_t channels, const std::filesystem::path& file) {
  const auto inputs = network.inputs(), outputs = network.outputs();
  const bool right_input =
      inputs.size() == 1 && is_float_image_batch(inputs[0]) && inputs[0].get_partial_shape()[1] == channels;
  if (!right_input) {
    throw Error(fmt::format(
        "{}: has the input {}, expected one float32 input N x {} x rows x columns ({}); use a model made by "
        "pulmoseg",
        file.string(), inputs.empty() ? "none" : describe(inputs), channels,
        channels == 1 ? "a CT slice has one channel" : "a slice and its neighbours"));
  }
  const auto shape = outputs.size() == 1 ? outputs[0].get_partial_shape() : ov::PartialShape{};
  const bool right_output = outputs.size() == 1 && is_float_image_batch(outputs[0]) && shape[1].is_static() &&
                            shape[1].get_length() >= 2 && shape[1].get_length() <= most_classes;
  if (!right_output) {
    throw Error(
        fmt::format("{}: has the output {}, expected one float32 output N x classes x rows x columns with 2 to {} "
                    "classes; use a model made by pulmoseg",
                    file.string(), outputs.empty() ? "none" : describe(outputs), most_classes));
  }
  return shape[1].get_length();
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names(1);
  for (const char c : text) {
    if (c == ',')
      names.emplace_back();
    else
      names.back() += c;
  }
  return names;
}

struct Description {
  dataset::ClassMap classes = dataset::ClassMap::parse("lesion");
  dataset::Preprocessing preprocessing;
  std::optional<dataset::Familiarity> familiarity = {};
};

/// What another tool's file most likely means.
Description guess_description(const ov::Model& network, std::int64_t classes, const std::filesystem::path& file) {
  if (classes != 2) {
    throw Error(fmt::format("{}: has {} classes and no {} in its metadata that names them; export it with pulmoseg",
                            file.string(), classes, classes_key));
  }
  Description guess;
  const auto shape = network.input().get_partial_shape();
  if (shape[2].is_static() && shape[3] == shape[2]) guess.preprocessing.size = shape[2].get_length();
  spdlog::warn(
      "{}: was not exported by pulmoseg; taking its classes as background and lesion, its input as {}x{} slices "
      "scaled to [0, 1]",
      file.string(), guess.preprocessing.size, guess.preprocessing.size);
  return guess;
}

/// A model may have the names alone.
dataset::ClassMap read_classes(const std::map<std::string, std::string>& metadata, const std::string& names,
                               const std::filesystem::path& file) {
  const auto map = metadata.find(class_map_key);
  try {
    return map == metadata.end() ? dataset::ClassMap::of_names(split_names(names))
                                 : dataset::ClassMap::parse(map->second);
  } catch (const UsageError& error) {
    throw Error(fmt::format("{}: its metadata's {}", file.string(), error.what()));
  }
}

Description read_description(const std::map<std::string, std::string>& metadata, const ov::Model& network,
                             const std::filesystem::path& file) {
  const auto names = metadata.find(classes_key);
  if (names == metadata.end()) return guess_description(network, check_network(network, 1, file), file);
  Description description{.classes = read_classes(metadata, names->second, file),
                          .preprocessing = dataset::Preprocessing::from_metadata(metadata, file.string()),
                          .familiarity = dataset::Familiarity::from_metadata(metadata, file.string())};
  const std::int64_t classes = check_network(network, description.preprocessing.channels(), file);
  if (static_cast<std::int64_t>(description.classes.size()) != classes) {
    throw Error(fmt::format("{}: has {} classes, but its metadata names {} ({})", file.string(), classes,
                            description.classes.size(), names->second));
  }
  return description;
}

/// Kernels that are stored as whole numbers become floats. OpenVINO would do it when it compiles, and with several streams each
/// scales the kernels that all share: logits of 1e11 (2026.4.1).
void fold_constants(const std::shared_ptr<ov::Model>& network) {
  ov::pass::Manager manager;
  manager.register_pass<ov::pass::ConstantFolding>();
  manager.run_passes(network);
}

void check_options(const EngineOptions& options) {
  constexpr std::array precisions{"auto", "fp32", "bf16", "int8"};
  if (std::ranges::count(precisions, options.precision) == 0) {
    throw UsageError(fmt::format("precision '{}' is not one of those that there are ({})", options.precision,
                                 fmt::join(precisions, ", ")));
  }
  if (options.threads < 0) {
    throw UsageError(fmt::format("the number of threads is {}, expected 0 (all) or more", options.threads));
  }
}

bool is_quantised(const std::map<std::string, std::string>& metadata) {
  const auto precision = metadata.find("pulmoseg.precision");
  return precision != metadata.end() && precision->second == "int8";
}

std::string choose_precision(const std::string& wanted, bool quantised, const std::filesystem::path& file) {
  if (wanted == "auto") return quantised ? "int8" : has_fast_bfloat16() ? "bf16" : "fp32";
  if (wanted == "int8" && !quantised) {
    throw Error(
        fmt::format("{}: is not in 8 bits; make such a file with pulmoseg export --int8 --calibration, or take "
                    "--precision auto",
                    file.string()));
  }
  if (wanted == "bf16" && !has_fast_bfloat16()) {
    throw Error(
        fmt::format("{}: this processor has no arithmetic in bf16; take --precision auto or fp32", file.string()));
  }
  return wanted;
}

/// Computes in buffers of its own.
struct Request {
  ov::InferRequest infer;
  std::vector<float> image, logits;
};

}  // namespace

struct Engine::State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { abandon(); }  // before their buffers go

  std::filesystem::path file;
  EngineOptions options;  // with the precision that was chosen
  std::map<std::string, std::string> metadata;
  Description description;
  ov::Core core;
  std::shared_ptr<ov::Model> network;
  std::vector<Request> requests;         // a ring, each for one slice of the size compiled for
  std::int64_t rows = 0, columns = 0;    // that size
  std::size_t first = 0, under_way = 0;  // of the ring

  void start(const std::function<std::shared_ptr<ov::Model>()>& read);
  void compile(std::int64_t new_rows, std::int64_t new_columns);
  void begin(std::span<const float> image);
  void end(std::span<float> logits);
  void abandon();
};

/// Kernels for a fixed size are faster than those for any size, and one request a slice keeps every core busy with work of
/// its own, which is faster than all cores sharing a batch (0.28 against 0.30 s for 256x256 on two Zen 4 cores).
void Engine::State::compile(std::int64_t new_rows, std::int64_t new_columns) {
  if (rows == new_rows && columns == new_columns) return;
  abandon();
  rows = columns = 0;
  first = 0;
  requests.clear();
  const auto classes = static_cast<std::int64_t>(description.classes.size());
  ov::AnyMap settings{ov::hint::inference_precision(options.precision == "bf16" ? ov::element::bf16 : ov::element::f32),
                      ov::hint::performance_mode(ov::hint::PerformanceMode::THROUGHPUT),
                      ov::hint::num_requests(most_requests),
                      // Pinned threads of two programs would sit on the same cores.
                      ov::hint::enable_cpu_pinning(false)};
  if (options.threads > 0) settings.insert(ov::inference_num_threads(options.threads));
  try {
    network->reshape(ov::PartialShape{1, description.preprocessing.channels(), new_rows, new_columns});
    const ov::PartialShape expected{1, classes, new_rows, new_columns};
    if (const auto found = network->output().get_partial_shape(); found != expected) {
      throw Error(fmt::format("{}: gives logits of shape {} for an image of {}x{}, expected {}", file.string(),
                              describe(found), new_rows, new_columns, describe(expected)));
    }
    auto compiled = core.compile_model(network, "CPU", settings);
    // One more than compute at a time, so that none waits for the caller.
    const auto count = compiled.get_property(ov::optimal_number_of_infer_requests) + 1;
    const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
    const std::size_t channels = size(description.preprocessing.channels());
    const ov::Shape input{1, channels, size(new_rows), size(new_columns)},
        output{1, size(classes), size(new_rows), size(new_columns)};
    for (std::uint32_t i = 0; i < count; ++i) {
      Request& request =
          requests.emplace_back(compiled.create_infer_request(), std::vector<float>(ov::shape_size(input)),
                                std::vector<float>(ov::shape_size(output)));
      request.infer.set_input_tensor(ov::Tensor(ov::element::f32, input, request.image.data()));
      request.infer.set_output_tensor(ov::Tensor(ov::element::f32, output, request.logits.data()));
    }
  } catch (const ov::Exception& error) {
    throw Error(
        fmt::format("{}: does not run on images of {}x{}: {}", file.string(), new_rows, new_columns, one_line(error)));
  }
  rows = new_rows;
  columns = new_columns;
}

void Engine::State::begin(std::span<const float> image) {
  if (under_way == requests.size()) throw Error(fmt::format("{} images are under way already", under_way));
  Request& request = requests[(first + under_way) % requests.size()];
  if (image.size() != request.image.size()) {
    throw Error(fmt::format("{}: was given an image of {} pixels, expected {}", file.string(), image.size(),
                            request.image.size()));
  }
  std::ranges::copy(image, request.image.begin());
  request.infer.start_async();
  ++under_way;
}

void Engine::State::end(std::span<float> logits) {
  if (under_way == 0) throw Error("no image is under way");
  Request& request = requests[first];
  first = (first + 1) % requests.size();
  --under_way;
  try {
    request.infer.wait();
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: failed on an image of {}x{}: {}", file.string(), rows, columns, one_line(error)));
  }
  // NaN is neither more nor less than anything: whoever compares would choose a class at will.
  if (!std::ranges::all_of(request.logits, [](float logit) { return std::isfinite(logit); })) {
    throw Error(fmt::format("{}: gave logits that are not finite; its weights are damaged: export or download it again",
                            file.string()));
  }
  std::ranges::copy(request.logits, logits.begin());
}

void Engine::State::abandon() {
  for (; under_way > 0; --under_way, first = (first + 1) % requests.size()) {
    try {
      requests[first].infer.wait();
    } catch (const ov::Exception&) {  // nobody asks for it any more
    }
  }
}

/// Everything that is done once. `read` is called with the precision known.
void Engine::State::start(const std::function<std::shared_ptr<ov::Model>()>& read) {
  check_options(options);
  options.precision = choose_precision(options.precision, is_quantised(metadata), file);
  try {
    network = read();
    if (options.precision != "int8") fold_constants(network);
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: holds a network that cannot be run: {}", file.string(), one_line(error)));
  }
  description = read_description(metadata, *network, file);
  compile(description.preprocessing.size, description.preprocessing.size);
}

Engine::Engine(const std::filesystem::path& onnx, const EngineOptions& options) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.file = onnx;
  state.options = options;
  state.metadata = onnx::read_header(onnx).metadata;
  state.start([&] {
    if (!is_quantised(state.metadata) || state.options.precision == "int8") return state.core.read_model(onnx);
    const auto model = onnx::without_quantised_activations(onnx::read(onnx));
    return state.core.read_model(onnx::to_bytes(model, onnx.string()), ov::Tensor());
  });
}

Engine::Engine(const onnx::Model& model, const std::filesystem::path& name, const EngineOptions& options)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.file = name;
  state.options = options;
  state.metadata = model.metadata;
  state.start([&] {
    const bool strip = is_quantised(model.metadata) && state.options.precision != "int8";
    return state.core.read_model(
        onnx::to_bytes(strip ? onnx::without_quantised_activations(model) : model, name.string()), ov::Tensor());
  });
}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

const std::filesystem::path& Engine::file() const { return state_->file; }
const std::string& Engine::precision() const { return state_->options.precision; }
const dataset::ClassMap& Engine::classes() const { return state_->description.classes; }
const dataset::Preprocessing& Engine::preprocessing() const { return state_->description.preprocessing; }
const std::map<std::string, std::string>& Engine::metadata() const { return state_->metadata; }
const std::optional<dataset::Familiarity>& Engine::familiarity() const { return state_->description.familiarity; }
std::int64_t Engine::slices_in_flight() const { return std::ssize(state_->requests); }
std::int64_t Engine::under_way() const { return static_cast<std::int64_t>(state_->under_way); }
void Engine::abandon() { state_->abandon(); }

void Engine::start(std::span<const float> image) {
  state_->compile(preprocessing().size, preprocessing().size);
  state_->begin(image);
}

std::vector<float> Engine::collect() {
  std::vector<float> logits(static_cast<std::size_t>(state_->rows * state_->columns) * classes().size());
  state_->end(logits);
  return logits;
}

std::vector<float> Engine::run(std::span<const float> images, std::int64_t n, std::int64_t rows, std::int64_t columns) {
  const std::int64_t channels = preprocessing().channels();
  if (n < 0 || rows < 1 || columns < 1 || std::ssize(images) != n * channels * rows * columns) {
    throw Error(fmt::format("{}: was given {} pixels, expected {} images of {}x{} with {} channels",
                            state_->file.string(), images.size(), n, rows, columns, channels));
  }
  state_->abandon();
  state_->compile(rows, columns);
  const auto pixels = static_cast<std::size_t>(rows * columns), in = pixels * static_cast<std::size_t>(channels),
             out = pixels * classes().size();
  std::vector<float> logits(static_cast<std::size_t>(n) * out);
  try {
    std::size_t done = 0;
    const auto collect_one = [&] { state_->end(std::span(logits).subspan(done++ * out, out)); };
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      if (under_way() == slices_in_flight()) collect_one();
      state_->begin(images.subspan(i * in, in));
    }
    while (under_way() > 0) collect_one();
  } catch (...) {
    state_->abandon();
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
