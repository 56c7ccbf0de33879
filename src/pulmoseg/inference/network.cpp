#include "pulmoseg/inference/network.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <openvino/op/fake_quantize.hpp>
#include <openvino/openvino.hpp>
#include <openvino/pass/constant_folding.hpp>
#include <openvino/pass/manager.hpp>
#include <optional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/file_cache.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/base/text.hpp"
#include "pulmoseg/inference/openvino_text.hpp"
#include "pulmoseg/onnx/quantised_activations.hpp"

namespace pulmoseg::inference {
namespace {

constexpr const char *classes_key = "pulmoseg.classes", *class_map_key = "pulmoseg.class_map";

/// More requests than this take memory and make nothing faster: beyond it, several threads share a slice.
constexpr std::uint32_t most_requests = 16;

/// A network of ours takes 40 MB in 8 bits, 160 MB in 32: five models that are averaged find room.
constexpr std::uintmax_t most_cached_bytes = 1'000'000'000;

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

/// What another tool's file most likely means.
void guess_facts(NetworkFacts& facts, const ov::Model& network, std::int64_t classes) {
  if (classes != 2) {
    throw Error(fmt::format("{}: has {} classes and no {} in its metadata that names them; export it with pulmoseg",
                            facts.file.string(), classes, classes_key));
  }
  const auto shape = network.input().get_partial_shape();
  if (shape[2].is_static() && shape[3] == shape[2]) facts.preprocessing.size = shape[2].get_length();
  spdlog::warn(
      "{}: was not exported by pulmoseg; taking its classes as background and lesion, its input as {}x{} slices "
      "scaled to [0, 1]",
      facts.file.string(), facts.preprocessing.size, facts.preprocessing.size);
}

bool is_ours(const NetworkFacts& facts) { return facts.metadata.contains(classes_key); }

/// What the metadata says, which stands in `facts` already.
void read_facts(NetworkFacts& facts) {
  const auto& metadata = facts.metadata;
  facts.classes = read_classes(metadata, facts.file);
  facts.preprocessing = dataset::Preprocessing::from_metadata(metadata, facts.file.string());
  facts.familiarity = dataset::Familiarity::from_metadata(metadata, facts.file.string());
}

/// The network beside what the metadata says of it, or without that.
void check_facts(NetworkFacts& facts, const ov::Model& network) {
  const std::int64_t classes = check_network(network, facts.preprocessing.channels(), facts.file);
  if (!is_ours(facts)) return guess_facts(facts, network, classes);
  if (static_cast<std::int64_t>(facts.classes.size()) != classes) {
    throw Error(fmt::format("{}: has {} classes, but its metadata names {} ({})", facts.file.string(), classes,
                            facts.classes.size(), facts.metadata.at(classes_key)));
  }
}

/// Kernels that are stored as whole numbers become floats. OpenVINO would do it when it compiles, and with several streams each
/// scales the kernels that all share: logits of 1e11 (2026.4.1).
void fold_constants(const std::shared_ptr<ov::Model>& network) {
  ov::pass::Manager manager;
  manager.register_pass<ov::pass::ConstantFolding>();
  manager.run_passes(network);
}

/// As it is, whatever its metadata says.
bool computes_in_8_bits(const ov::Model& network) {
  return std::ranges::any_of(network.get_ops(),
                             [](const auto& node) { return ov::is_type<ov::op::v0::FakeQuantize>(node); });
}

void check_options(const std::string& precision, int threads) {
  constexpr std::array precisions{"auto", "fp32", "bf16", "int8"};
  if (std::ranges::count(precisions, precision) == 0) {
    throw UsageError(
        fmt::format("precision '{}' is not one of those that there are ({})", precision, fmt::join(precisions, ", ")));
  }
  if (threads < 0) throw UsageError(fmt::format("the number of threads is {}, expected 0 (all) or more", threads));
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

/// Another one for every other content: whoever changes or replaces a file gives it another time of change, which cannot be set,
/// or another number. Empty: none can be had.
std::string identity_of(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "";
  return fmt::format("file {} of device {}, {} bytes, changed at {}.{:09}", status.st_ino, status.st_dev,
                     status.st_size, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

/// Computes in buffers of its own.
struct Request {
  ov::InferRequest infer;
  std::vector<float> image, logits;
};

}  // namespace

/// A model may have the names alone.
dataset::ClassMap read_classes(const std::map<std::string, std::string>& metadata, const std::filesystem::path& file) {
  const auto names = metadata.find(classes_key), map = metadata.find(class_map_key);
  try {
    if (names == metadata.end()) return dataset::ClassMap::parse("lesion");
    return map == metadata.end() ? dataset::ClassMap::of_names(split(names->second, ','))
                                 : dataset::ClassMap::parse(map->second);
  } catch (const UsageError& error) {
    throw Error(fmt::format("{}: its metadata's {}", file.string(), error.what()));
  }
}

struct Network::State {
  explicit State(NetworkFacts of_file, const EngineOptions& wanted)
      : facts(std::move(of_file)), options(wanted), cache(wanted.cache, most_cached_bytes) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { abandon(); }  // before their buffers go

  NetworkFacts facts;
  EngineOptions options;
  ov::Core core;
  std::function<std::shared_ptr<ov::Model>()> read;
  std::shared_ptr<ov::Model> network;  // not read as long as what was compiled before is there
  std::string identity;                // of the file, for the cache; empty: of no file of ours
  FileCache cache;
  std::vector<Request> requests;         // a ring, each for one slice of the size compiled for
  std::int64_t rows = 0, columns = 0;    // that size
  std::size_t first = 0, under_way = 0;  // of the ring

  void prepare(std::function<std::shared_ptr<ov::Model>()> reader);
  void load();
  ov::CompiledModel compiled(std::int64_t new_rows, std::int64_t new_columns);
  void compile(std::int64_t new_rows, std::int64_t new_columns);
  void abandon();
};

/// Reads the network itself.
void Network::State::load() {
  if (network) return;
  try {
    network = read();
    if (!computes_in_8_bits(*network)) fold_constants(network);
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: holds a network that cannot be run: {}", facts.file.string(), one_line(error)));
  }
  check_facts(facts, *network);
}

/// Kernels for a fixed size are faster than those for any size, and one request a slice keeps every core busy with work of
/// its own, which is faster than all cores sharing a batch (0.28 against 0.30 s for 256x256 on two Zen 4 cores).
ov::CompiledModel Network::State::compiled(std::int64_t new_rows, std::int64_t new_columns) {
  ov::AnyMap settings{ov::hint::inference_precision(facts.precision == "bf16" ? ov::element::bf16 : ov::element::f32),
                      ov::hint::performance_mode(ov::hint::PerformanceMode::THROUGHPUT),
                      ov::hint::num_requests(most_requests),
                      // Pinned threads of two programs would sit on the same cores.
                      ov::hint::enable_cpu_pinning(false)};
  if (options.threads > 0) settings.insert(ov::inference_num_threads(options.threads));
  const std::string key =
      fmt::format("{}, as {}x{} in {} by OpenVINO {} for {} ({})", identity, new_rows, new_columns, facts.precision,
                  ov::get_openvino_version().buildNumber, processor_name(), processor_flags());
  ov::CompiledModel result;
  const auto import = [&](std::istream& stream) {
    try {
      result = core.import_model(stream, "CPU", settings);
      return true;
    } catch (const ov::Exception&) {
      return false;
    }
  };
  if (!identity.empty() && cache.find(key, import)) return result;

  load();
  network->reshape(ov::PartialShape{1, facts.preprocessing.channels(), new_rows, new_columns});
  const ov::PartialShape expected{1, static_cast<std::int64_t>(facts.classes.size()), new_rows, new_columns};
  if (const auto found = network->output().get_partial_shape(); found != expected) {
    throw Error(fmt::format("{}: gives logits of shape {} for an image of {}x{}, expected {}", facts.file.string(),
                            describe(found), new_rows, new_columns, describe(expected)));
  }
  result = core.compile_model(network, "CPU", settings);
  if (!identity.empty()) cache.keep(key, [&](std::ostream& stream) { result.export_model(stream); });
  return result;
}

void Network::State::compile(std::int64_t new_rows, std::int64_t new_columns) {
  if (rows == new_rows && columns == new_columns) return;
  abandon();
  rows = columns = 0;
  first = 0;
  requests.clear();
  try {
    auto ready = compiled(new_rows, new_columns);
    // One more than compute at a time, so that none waits for the caller.
    const auto count = ready.get_property(ov::optimal_number_of_infer_requests) + 1;
    const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
    const ov::Shape input{1, size(facts.preprocessing.channels()), size(new_rows), size(new_columns)},
        output{1, facts.classes.size(), size(new_rows), size(new_columns)};
    for (std::uint32_t i = 0; i < count; ++i) {
      Request& request = requests.emplace_back(ready.create_infer_request(), std::vector<float>(ov::shape_size(input)),
                                               std::vector<float>(ov::shape_size(output)));
      request.infer.set_input_tensor(ov::Tensor(ov::element::f32, input, request.image.data()));
      request.infer.set_output_tensor(ov::Tensor(ov::element::f32, output, request.logits.data()));
    }
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: does not run on images of {}x{}: {}", facts.file.string(), new_rows, new_columns,
                            one_line(error)));
  }
  rows = new_rows;
  columns = new_columns;
}

void Network::State::abandon() {
  for (; under_way > 0; --under_way, first = (first + 1) % requests.size()) {
    try {
      requests[first].infer.wait();
    } catch (const ov::Exception&) {  // nobody asks for it any more
    }
  }
}

/// Everything that is done once. `reader` is called with the precision known, if the network is not in the cache.
void Network::State::prepare(std::function<std::shared_ptr<ov::Model>()> reader) {
  check_options(options.precision, options.threads);
  read = std::move(reader);
  facts.precision = choose_precision(options.precision, is_quantised(facts.metadata), facts.file);
  if (is_ours(facts))
    read_facts(facts);
  else
    load();  // its size is not known otherwise
  compile(facts.preprocessing.size, facts.preprocessing.size);
}

Network::Network(const std::filesystem::path& onnx, const EngineOptions& options)
    : state_(
          std::make_unique<State>(NetworkFacts{.file = onnx, .metadata = onnx::read_header(onnx).metadata}, options)) {
  State& state = *state_;
  if (is_ours(state.facts)) state.identity = identity_of(onnx);
  state.prepare([&state] {
    const auto& facts = state.facts;
    if (!is_quantised(facts.metadata) || facts.precision == "int8") return state.core.read_model(facts.file);
    const auto model = onnx::without_quantised_activations(onnx::read(facts.file));
    return state.core.read_model(onnx::to_bytes(model, facts.file.string()), ov::Tensor());
  });
}

Network::Network(const onnx::Model& model, const std::filesystem::path& name, const EngineOptions& options)
    : state_(std::make_unique<State>(NetworkFacts{.file = name, .metadata = model.metadata}, options)) {
  State& state = *state_;
  state.prepare([&] {
    const bool strip = is_quantised(model.metadata) && state.facts.precision != "int8";
    return state.core.read_model(
        onnx::to_bytes(strip ? onnx::without_quantised_activations(model) : model, name.string()), ov::Tensor());
  });
  state.read = nullptr;  // it was, and `model` may be gone
}

Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

const NetworkFacts& Network::facts() const { return state_->facts; }
std::size_t Network::under_way() const { return state_->under_way; }
std::size_t Network::requests() const { return state_->requests.size(); }
void Network::abandon() { state_->abandon(); }

void Network::start(std::span<const float> image, std::int64_t rows, std::int64_t columns) {
  State& state = *state_;
  state.compile(rows, columns);
  if (state.under_way == state.requests.size())
    throw Error(fmt::format("{} images are under way already", state.under_way));
  Request& request = state.requests[(state.first + state.under_way) % state.requests.size()];
  if (image.size() != request.image.size()) {
    throw Error(fmt::format("{}: was given an image of {} pixels, expected {}", facts().file.string(), image.size(),
                            request.image.size()));
  }
  std::ranges::copy(image, request.image.begin());
  request.infer.start_async();
  ++state.under_way;
}

std::vector<float> Network::collect() {
  State& state = *state_;
  if (state.under_way == 0) throw Error("no image is under way");
  Request& request = state.requests[state.first];
  state.first = (state.first + 1) % state.requests.size();
  --state.under_way;
  try {
    request.infer.wait();
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: failed on an image of {}x{}: {}", facts().file.string(), state.rows, state.columns,
                            one_line(error)));
  }
  // NaN is neither more nor less than anything: whoever compares would choose a class at will.
  if (!std::ranges::all_of(request.logits, [](float logit) { return std::isfinite(logit); })) {
    throw Error(fmt::format("{}: gave logits that are not finite; its weights are damaged: export or download it again",
                            facts().file.string()));
  }
  return request.logits;
}

}  // namespace pulmoseg::inference
