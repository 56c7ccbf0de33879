// One rank of a training over several processes, as distributed_test.cpp starts it (or a launcher, which sets the environment):
//   training_rank DATASET RUN [SETTING=VALUE ...]
// Settings: the names of options, and those that `misbehave` and `main` read. At the end, the rank's weights are in
// RUN.weights-RANK.safetensors and the gradients of its last step in RUN.gradients-RANK.safetensors.

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>

#include <cstdlib>
#include <map>
#include <thread>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/model/batch_norm.hpp"
#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/training/process_group.hpp"

namespace pulmoseg::training {
namespace {

using torch::Tensor;

/// SETTING=VALUE ...; what is not given is 0.
class Settings {
 public:
  explicit Settings(std::span<char*> arguments) {
    for (const std::string_view text : arguments)
      values_[std::string(text.substr(0, text.find('=')))] = text.substr(text.find('=') + 1);
  }
  double operator[](const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? 0 : parse_number<double>(found->second).value();
  }
  bool has(const std::string& name) const { return values_.contains(name); }

 private:
  std::map<std::string, std::string> values_;
};

TrainingOptions options_of(const Settings& settings) {
  auto options = test::quick_options();
  options.threads = 1;
  const auto set = [&](const char* name, auto& option) {
    if (settings.has(name)) option = static_cast<std::remove_reference_t<decltype(option)>>(settings[name]);
  };
  set("epochs", options.epochs);
  set("batch_size", options.batch_size);
  set("learning_rate", options.learning_rate);
  set("dice_loss", options.dice_loss);
  set("progressive_size", options.progressive_size);
  set("weight_average", options.weight_average);
  set("freeze_batch_norm", options.freeze_batch_norm);
  set("sync_batch_norm", options.sync_batch_norm);
  set("checkpoint_minutes", options.checkpoint_minutes);
  set("resume", options.resume);
  if (settings.has("max_minutes")) options.max_minutes = settings["max_minutes"];
  return options;
}

/// Both ways through a synchronised BatchNorm, the fused and the general one, and no dropout.
struct TwoNormsImpl : torch::nn::Module {
  explicit TwoNormsImpl(std::int64_t classes) {
    namespace nn = torch::nn;
    first = register_module("first", nn::Conv2d(nn::Conv2dOptions(1, 8, 3).padding(1).bias(false)));
    second = register_module("second", nn::Conv2d(nn::Conv2dOptions(8, 8, 3).padding(1).bias(false)));
    last = register_module("last", nn::Conv2d(nn::Conv2dOptions(8, classes, 1)));
    first_norm = register_module("first_norm", model::BatchNorm(8));
    second_norm = register_module("second_norm", model::BatchNorm(8));
  }
  Tensor forward(const Tensor& images) {
    const Tensor x = model::batch_norm_relu(*first_norm, first(images));
    return last(torch::relu(second_norm(second(x)) + x));
  }
  torch::nn::Conv2d first{nullptr}, second{nullptr}, last{nullptr};
  model::BatchNorm first_norm{nullptr}, second_norm{nullptr};
};
TORCH_MODULE(TwoNorms);

template <class Module>
Network network_of(Module module, const char* logit_bias) {
  for (const auto& part : module->modules()) {
    if (auto* dropout = part->template as<torch::nn::Dropout>()) dropout->options.p(0);
  }
  return {.module = module.ptr(),
          .forward = [module](const Tensor& images) mutable { return module->forward(images); },
          .write_onnx = [](const std::filesystem::path&) {},
          .logit_bias = module->named_parameters()[logit_bias]};
}

Network make_network(const Settings& settings, const NetworkShape& shape) {
  if (settings["dropout"] != 0) return test::tiny_network(shape);
  if (settings["deeplabv3"] != 0) return network_of(model::DeepLabV3(), "classifier.4.bias");
  return network_of(TwoNorms(shape.classes), "last.bias");
}

/// What `rank` of the settings does in step `step` beside training.
void misbehave(const Settings& settings, int step, std::stop_source& stop) {
  std::this_thread::sleep_for(std::chrono::duration<double>(settings["seconds_a_step"]));
  if (step != settings["step"]) return;
  std::this_thread::sleep_for(std::chrono::duration<double>(settings["sleep"]));
  if (settings["stop"] != 0) stop.request_stop();
  if (settings["fail"] != 0) throw Error("RUN/last.pth: cannot be written: No space left on device");
  if (settings["kill"] != 0) ::raise(SIGKILL);
  if (settings["freeze"] != 0) ::raise(SIGSTOP);
}

void train_as_told(const std::filesystem::path& data, const std::filesystem::path& run, const Settings& settings,
                   ProcessGroup& group) {
  const bool chosen = group.rank() == settings["rank"];
  std::shared_ptr<torch::nn::Module> module;
  const auto factory = [&](const NetworkShape& shape) {
    Network network = make_network(settings, shape);
    module = network.module;
    const auto type = settings["double"] != 0 ? torch::kFloat64 : torch::kFloat32;
    module->to(type);
    const std::vector<std::int64_t> turned(settings["reverse"] != 0 ? 1 : 0, 0);  // samples last to first
    network.forward = [=, forward = network.forward, calls = 0,
                       nan = chosen ? settings["nan"] : 0](const Tensor& images) mutable {
      return forward(images.to(type).flip(turned)).flip(turned) * (++calls == nan ? NAN : 1.0);
    };
    return network;
  };
  std::stop_source stop;
  TrainingCallbacks callbacks{.on_step = {}, .on_epoch = {}, .stop = stop.get_token()};
  callbacks.on_step = [&, step = 0](const StepRecord&) mutable {
    ++step;
    if (chosen) misbehave(settings, step, stop);
  };
  const auto dataset = dataset::Dataset::open(data);
  const auto split = group.is_first() ? dataset::split_by_slice(dataset, 0) : dataset::Split{};
  train_network(factory, dataset, split, run, options_of(settings), callbacks, &group);

  model::StateDict gradients;
  for (const auto& parameter : module->named_parameters()) gradients.emplace_back(parameter.key(), parameter->grad());
  model::write_weights(gradients, fmt::format("{}.gradients-{}.safetensors", run.string(), group.rank()));
  model::write_weights(model::state_dict(*module),
                       fmt::format("{}.weights-{}.safetensors", run.string(), group.rank()));
}

int run(std::span<char*> arguments) {
  try {
    ProcessGroup group(rank_place([](const char* name) { return std::getenv(name); }));
    group.run([&] { train_as_told(arguments[1], arguments[2], Settings(arguments.subspan(3)), group); });
    return 0;
  } catch (const Interrupted& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 130;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace pulmoseg::training

int main(int argument_count, char** arguments) {
  return pulmoseg::training::run({arguments, static_cast<std::size_t>(argument_count)});
}
