// Where the time of a training step goes, by groups of layers, and how far that is from the floor: the convolutions' products
// without those with padding, at the speed of a large matrix product. Prints a Markdown table.
//   bench_layer_groups fp32|bf16 [THREADS [BATCH_SIZE [IMAGE_SIZE]]]

#include <fmt/format.h>
#include <torch/nn/modules/conv.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "program.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/training/adam.hpp"
#include "pulmoseg/training/device.hpp"
#include "pulmoseg/training/loss.hpp"

namespace {

using namespace pulmoseg;
using Clock = std::chrono::steady_clock;
using torch::Tensor;

const std::vector<std::string> groups{"stem", "layer1", "layer2", "layer3", "layer4", "ASPP", "head"};
const std::string loss_and_resize = "upsampling and loss", optimiser = "Adam", rest = "the rest";

/// Of a parameter or module, by its name.
std::string group_of(const std::string& name) {
  for (const auto& stage : model::resnet50_stages) {
    if (name.find(fmt::format("backbone.{}.", stage.name)) != name.npos) return stage.name;
  }
  if (name.find("backbone.") != name.npos) return "stem";
  return name.find("classifier.0.") != name.npos ? "ASPP" : "head";
}

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

/// Wall time of one thread, booked to one group after another.
class Ledger {
 public:
  void start() { last_ = Clock::now(); }
  void book(const std::string& group) {
    const auto now = Clock::now();
    times_[group] += milliseconds(now - std::exchange(last_, now));
  }
  double time(const std::string& group) const { return times_.contains(group) ? times_.at(group) : 0; }

 private:
  Clock::time_point last_ = Clock::now();
  std::map<std::string, double> times_;
};

/// Forward, an operator that reads a parameter begins the parameter's group. Backward, the gradient of a parameter ends what
/// belongs to its group.
class Watch {
 public:
  Watch(torch::nn::Module& network, Ledger& forward, Ledger& backward) {
    for (auto& parameter : network.named_parameters()) {
      const std::string group = group_of(parameter.key());
      groups_[parameter->unsafeGetTensorImpl()] = group;
      parameter->register_hook([group, &backward](const Tensor&) { backward.book(group); });
    }
    forward_ = &forward;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&Watch::begin_operator).needsInputs(true));
  }
  ~Watch() { at::removeCallback(handle_); }
  static void begin_forward() { current_ = "stem"; }
  static void end_forward() {
    forward_->book(current_);
    current_.clear();  // operators of the backward pass read parameters too
  }

 private:
  static std::unique_ptr<at::ObserverContext> begin_operator(const at::RecordFunction& function) {
    if (current_.empty()) return nullptr;
    for (const auto& input : function.inputs()) {
      if (!input.isTensor() || !input.toTensor().defined()) continue;
      const auto found = groups_.find(input.toTensor().unsafeGetTensorImpl());
      if (found == groups_.end() || found->second == current_) continue;
      forward_->book(current_);
      current_ = found->second;
    }
    return nullptr;
  }

  at::CallbackHandle handle_;
  inline static std::map<const c10::TensorImpl*, std::string> groups_;
  inline static std::string current_;
  inline static Ledger* forward_ = nullptr;
};

/// Of `kernel` taps, `dilation` apart and centred, those inside the picture, added up over a row of `extent` pixels.
double live_taps(std::int64_t extent, std::int64_t kernel, std::int64_t dilation) {
  double live = 0;
  for (std::int64_t tap = 0; tap < kernel; ++tap)
    live += static_cast<double>(std::max<std::int64_t>(0, extent - std::abs(tap - kernel / 2) * dilation));
  return live;
}

/// Products of forward and backward for one image, by group, in billions.
std::map<std::string, double> products(torch::nn::Module& network, std::int64_t image_size) {
  std::map<std::string, double> found;
  for (const auto& module : network.named_modules()) {
    const auto* conv = module.value()->as<torch::nn::Conv2d>();
    if (!conv) continue;
    const std::string name = module.key(), group = group_of(name + '.');
    const auto& options = conv->options;
    const bool first_of_layer2 = group == "layer2" && name.ends_with("layer2.0.conv1");
    std::int64_t grid = image_size / (group == "stem" ? 2 : group == "layer1" || first_of_layer2 ? 4 : 8);
    if (name.ends_with("convs.4.1")) grid = 1;  // after the pooling
    const double taps = live_taps(grid, options.kernel_size()->front(), options.dilation()->front());
    const int passes = group == "stem" ? 2 : 3;  // nobody asks for the gradient of the image
    found[group] += passes * taps * taps * static_cast<double>(options.in_channels() * options.out_channels()) / 1e9;
  }
  return found;
}

/// Of a large matrix product, in billions of products a second.
double peak(torch::ScalarType type) {
  const torch::NoGradGuard no_gradients;
  const auto random = [type] {
    return torch::randn({1, 2048, 32, 64}).to(type).contiguous(torch::MemoryFormat::ChannelsLast);
  };
  const Tensor images = random(), weight = torch::randn({2048, 2048, 1, 1}).to(type);
  double best = 1e9;
  for (int i = 0; i < 40; ++i) {
    const auto start = Clock::now();
    torch::conv2d(images, weight);
    best = std::min(best, milliseconds(Clock::now() - start));
  }
  return 2048.0 * 2048.0 * 2048.0 / best / 1e6;
}

struct Timings {
  Ledger forward, backward;
};

void step(model::DeepLabV3& network, training::Adam& adam, const Tensor& images, const Tensor& targets, bool bf16,
          Timings& timings) {
  Tensor logits;
  timings.forward.start();
  {
    const training::Autocast autocast(bf16, torch::kCPU);
    Watch::begin_forward();
    logits = network->forward(images).to(torch::kFloat32);
    Watch::end_forward();
  }
  const Tensor loss = training::segmentation_loss(training::loss_sums(logits, targets), 0);
  timings.forward.book(loss_and_resize);
  adam.zero_gradients();
  timings.backward.start();
  loss.backward();
  timings.backward.book(rest);
  adam.step();
  timings.backward.book(optimiser);
}

void measure(const std::vector<std::string>& arguments) {
  const auto number = [&](std::size_t i, int otherwise) {
    return arguments.size() > i ? std::stoi(arguments[i]) : otherwise;
  };
  const bool bf16 = arguments.at(0) == "bf16";
  const int threads = number(1, 2), batch = number(2, 4), size = number(3, 256), steps = 10;
  at::set_num_threads(threads);
  training::keep_freed_memory();
  torch::manual_seed(0);
  model::DeepLabV3 network;
  training::Adam adam(training::placed(*network, torch::kCPU), 1e-4);
  const Tensor images = torch::rand({batch, 1, size, size}).contiguous(torch::MemoryFormat::ChannelsLast);
  const Tensor targets = torch::rand({batch, size, size}).gt(0.9).to(torch::kInt64);
  Timings timings;
  const Watch watch(*network, timings.forward, timings.backward);
  for (int i = 0; i < 3; ++i) step(network, adam, images, targets, bf16, timings);
  timings = {};  // that was to warm up
  for (int i = 0; i < steps; ++i) step(network, adam, images, targets, bf16, timings);

  const double speed = peak(bf16 ? torch::kBFloat16 : torch::kFloat32);
  const auto work = products(*network, size);
  fmt::print("{}, {} threads, batch {}, {}x{}, {}: a large matrix product makes {:.0f} billion products a second\n\n",
             processor_name(), threads, batch, size, size, arguments[0], speed);
  fmt::print("| layers | forward, ms | backward, ms | floor of both, ms |\n| --- | --- | --- | --- |\n");
  double forward = 0, backward = 0, floor = 0;
  const auto row = [&](const std::string& name) {
    const double f = timings.forward.time(name) / steps, b = timings.backward.time(name) / steps;
    const double least = work.contains(name) ? work.at(name) * batch / speed * 1e3 : 0;
    forward += f, backward += b, floor += least;
    fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} |\n", name, f, b, least);
  };
  for (const auto& group : groups) row(group);
  for (const auto& group : {loss_and_resize, rest, optimiser}) row(group);
  fmt::print("| together | {:.0f} | {:.0f} | {:.0f} |\n", forward, backward, floor);
}

}  // namespace

int main(int count, char** arguments) {
  return pulmoseg::bench::run(count, arguments, "bench_layer_groups fp32|bf16 [THREADS [BATCH_SIZE [IMAGE_SIZE]]]",
                              measure);
}
