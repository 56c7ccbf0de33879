#include "pulmoseg/inference/tensor_probe.hpp"

#include <fmt/format.h>

#include <map>
#include <openvino/openvino.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/inference/openvino_text.hpp"

namespace pulmoseg::inference {

struct TensorProbe::State {
  std::string name;
  std::vector<std::string> tensors;
  std::string input;
  ov::Core core;
  ov::InferRequest request;
};

TensorProbe::TensorProbe(const onnx::Model& model, std::string name, std::vector<std::string> tensors,
                         std::int64_t rows, std::int64_t columns, int threads)
    : state_(std::make_unique<State>()) {
  state_->name = std::move(name);
  state_->tensors = std::move(tensors);
  if (model.inputs.size() != 1)
    throw Error(fmt::format("{}: has {} inputs, expected one", state_->name, model.inputs.size()));
  state_->input = model.inputs.front().name;
  ov::AnyMap settings{ov::hint::inference_precision(ov::element::f32), ov::hint::enable_cpu_pinning(false)};
  if (threads > 0) settings.insert(ov::inference_num_threads(threads));
  try {
    auto network = state_->core.read_model(onnx::to_bytes(model, state_->name), ov::Tensor());
    for (const auto& tensor : state_->tensors) {
      if (tensor != state_->input) network->add_output(tensor);
    }
    auto shape = network->input().get_partial_shape();
    shape[0] = 1;
    shape[2] = rows;
    shape[3] = columns;
    network->reshape(shape);
    state_->request = state_->core.compile_model(network, "CPU", settings).create_infer_request();
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: its tensors cannot be looked at: {}", state_->name, one_line(error)));
  }
}

TensorProbe::~TensorProbe() = default;

void TensorProbe::run(std::span<const float> image,
                      const std::function<void(std::size_t, std::span<const float>)>& on_tensor) {
  try {
    ov::Tensor input = state_->request.get_input_tensor();
    if (input.get_size() != image.size())
      throw Error(fmt::format("{}: was given {} pixels, expected {}", state_->name, image.size(), input.get_size()));
    std::ranges::copy(image, input.data<float>());
    state_->request.infer();
    for (std::size_t i = 0; i < state_->tensors.size(); ++i) {
      const ov::Tensor tensor = state_->request.get_tensor(state_->tensors[i]);
      on_tensor(i, {tensor.data<const float>(), tensor.get_size()});
    }
  } catch (const ov::Exception& error) {
    throw Error(fmt::format("{}: failed on an image of {} pixels: {}", state_->name, image.size(), one_line(error)));
  }
}

}  // namespace pulmoseg::inference
