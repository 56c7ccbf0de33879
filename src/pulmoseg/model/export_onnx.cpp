#include "pulmoseg/model/export_onnx.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "pulmoseg/model/state_dict.hpp"
#include "pulmoseg/model/weight_formats.hpp"

namespace pulmoseg::model {
namespace {

using Integers = std::vector<std::int64_t>;

struct Convolution {
  std::int64_t stride = 1, dilation = 1;
};

template <class Value>
std::vector<Value> to_vector(const at::Tensor& contiguous) {
  const Value* values = contiguous.const_data_ptr<Value>();
  return {values, values + contiguous.numel()};
}

/// Adds nodes one after the other; each function returns the name of its output.
class GraphBuilder {
 public:
  GraphBuilder(const StateDict& state, KernelFormat kernels) : state_(state), kernels_(kernels) {}

  std::string image(std::int64_t channels) {
    model_.inputs.push_back({"image", {"batch", channels, "rows", "columns"}});
    return "image";
  }

  /// The convolution `name` and the BatchNorm `norm` that follows it.
  std::string convolution(const std::string& name, const std::string& norm, const std::string& input,
                          const Convolution& options = {}) {
    const std::string convolved = convolution_node(name, {input, kernel(name)}, options);
    return node("BatchNormalization", norm,
                {convolved, tensor(norm + ".weight"), tensor(norm + ".bias"), tensor(norm + ".running_mean"),
                 tensor(norm + ".running_var")},
                {{"epsilon", static_cast<float>(batch_norm_epsilon)}});
  }

  std::string convolution_with_bias(const std::string& name, const std::string& input) {
    return convolution_node(name, {input, kernel(name), tensor(name + ".bias")}, {});
  }

  std::string node(const std::string& type, const std::string& name, std::vector<std::string> inputs,
                   std::vector<onnx::Attribute> attributes = {}) {
    model_.nodes.push_back({type, name, std::move(inputs), {name}, std::move(attributes)});
    return name;
  }

  std::string constant(const std::string& name, Integers values) {
    const auto count = static_cast<std::int64_t>(values.size());
    model_.initializers.push_back({name, {count}, std::move(values)});
    return name;
  }

  onnx::Model finish(std::int64_t classes, std::map<std::string, std::string> metadata) {
    model_.graph_name = "deeplabv3_resnet50";
    model_.outputs.push_back({"logits", {"batch", classes, "rows", "columns"}});
    model_.metadata = std::move(metadata);
    return std::move(model_);
  }

 private:
  at::Tensor stored(const std::string& name) const { return find(state_, name)->to(at::kCPU, at::kFloat).contiguous(); }

  /// A tensor of the state dict as it is; returns its name.
  std::string tensor(const std::string& name) {
    const at::Tensor values = stored(name);
    model_.initializers.push_back({name, values.sizes().vec(), to_vector<float>(values)});
    return name;
  }

  std::string kernel(const std::string& convolution) {
    const std::string name = convolution + ".weight";
    if (kernels_ == KernelFormat::float32) return tensor(name);
    const at::Tensor values = stored(name);
    const at::Tensor largest = values.abs().amax({1, 2, 3});
    const at::Tensor scale = at::where(largest > 0, largest, at::ones_like(largest)) / 127;
    const at::Tensor whole = (values / scale.view({-1, 1, 1, 1})).round().to(at::kChar);
    model_.initializers.push_back({name + onnx_int8_suffix, values.sizes().vec(), to_vector<std::int8_t>(whole)});
    model_.initializers.push_back({name + onnx_scale_suffix, scale.sizes().vec(), to_vector<float>(scale)});
    return node("DequantizeLinear", name, {name + onnx_int8_suffix, name + onnx_scale_suffix},
                {{"axis", std::int64_t{0}}});
  }

  std::string convolution_node(const std::string& name, std::vector<std::string> inputs, const Convolution& options) {
    const std::int64_t size = find(state_, name + ".weight")->size(2), padding = options.dilation * (size - 1) / 2;
    return node("Conv", name, std::move(inputs),
                {{"kernel_shape", Integers{size, size}},
                 {"strides", Integers(2, options.stride)},
                 {"pads", Integers(4, padding)},
                 {"dilations", Integers(2, options.dilation)}});
  }

  const StateDict& state_;
  KernelFormat kernels_;
  onnx::Model model_;
};

std::string relu(GraphBuilder& graph, const std::string& input) { return graph.node("Relu", input + ".relu", {input}); }

std::string bottleneck(GraphBuilder& graph, const std::string& name, const std::string& input, std::int64_t stride,
                       std::int64_t dilation, bool project) {
  std::string x = relu(graph, graph.convolution(name + ".conv1", name + ".bn1", input));
  x = relu(graph, graph.convolution(name + ".conv2", name + ".bn2", x, {.stride = stride, .dilation = dilation}));
  x = graph.convolution(name + ".conv3", name + ".bn3", x);
  const std::string downsample = name + ".downsample";
  const std::string shortcut =
      project ? graph.convolution(downsample + ".0", downsample + ".1", input, {.stride = stride}) : input;
  return relu(graph, graph.node("Add", name + ".add", {x, shortcut}));
}

std::string resnet50(GraphBuilder& graph, const std::string& image) {
  std::string x = relu(graph, graph.convolution("backbone.conv1", "backbone.bn1", image, {.stride = 2}));
  x = graph.node("MaxPool", "backbone.maxpool", {x},
                 {{"kernel_shape", Integers{3, 3}}, {"strides", Integers{2, 2}}, {"pads", Integers{1, 1, 1, 1}}});
  for (const Stage& stage : resnet50_stages) {
    for (std::int64_t i = 0; i < stage.blocks; ++i) {
      const bool first = i == 0;
      x = bottleneck(graph, "backbone." + std::string(stage.name) + '.' + std::to_string(i), x,
                     first ? stage.stride : 1, first ? stage.first_dilation : stage.dilation, first);
    }
  }
  return x;
}

std::string aspp(GraphBuilder& graph, const std::string& features) {
  const std::string name = "classifier.0", branch = name + ".convs.";
  std::vector<std::string> answers{relu(graph, graph.convolution(branch + "0.0", branch + "0.1", features))};
  for (std::size_t i = 0; i < aspp_rates.size(); ++i) {
    const std::string atrous = branch + std::to_string(i + 1);
    answers.push_back(
        relu(graph, graph.convolution(atrous + ".0", atrous + ".1", features, {.dilation = aspp_rates[i]})));
  }
  const std::string mean = graph.node("GlobalAveragePool", branch + "4.0", {features});
  const std::string pooled = relu(graph, graph.convolution(branch + "4.1", branch + "4.2", mean));
  const std::string shape = graph.node("Shape", branch + "4.shape", {answers.front()});
  answers.push_back(graph.node("Expand", branch + "4.expand", {pooled, shape}));
  const std::string stacked = graph.node("Concat", name + ".concat", answers, {{"axis", std::int64_t{1}}});
  return relu(graph, graph.convolution(name + ".project.0", name + ".project.1", stacked));
}

/// Bilinear with half-pixel centres, to the rows and columns of the image.
void resize_to_image(GraphBuilder& graph, const std::string& input, const std::string& image) {
  const auto part_of_shape = [&](const std::string& name, const std::string& of, Integers axes) {
    const std::string shape = graph.node("Shape", name + ".shape", {of});
    return graph.node("Gather", name, {shape, graph.constant(name + ".axes", std::move(axes))});
  };
  const std::string batch = part_of_shape("batch_and_classes", input, {0, 1});
  const std::string rows = part_of_shape("rows_and_columns", image, {2, 3});
  const std::string sizes = graph.node("Concat", "logits.sizes", {batch, rows}, {{"axis", std::int64_t{0}}});
  graph.node("Resize", "logits", {input, "", "", sizes},
             {{"mode", "linear"}, {"coordinate_transformation_mode", "half_pixel"}});
}

}  // namespace

onnx::Model to_onnx(const DeepLabV3& network, std::map<std::string, std::string> metadata, KernelFormat kernels) {
  const StateDict state = state_dict(*network);
  GraphBuilder graph(state, kernels);
  const std::string image = graph.image(network->options().channels);
  std::string x = aspp(graph, resnet50(graph, image));
  x = relu(graph, graph.convolution("classifier.1", "classifier.2", x));
  resize_to_image(graph, graph.convolution_with_bias("classifier.4", x), image);
  return graph.finish(network->options().classes, std::move(metadata));
}

}  // namespace pulmoseg::model
