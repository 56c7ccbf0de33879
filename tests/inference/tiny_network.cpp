#include "tiny_network.hpp"

#include "pulmoseg/dataset/preprocessing.hpp"

namespace pulmoseg::test {

onnx::Model threshold_network(float gain, float threshold, std::int64_t size) {
  onnx::Model model;
  model.graph_name = "threshold";
  model.inputs = {{.name = "image", .shape = {"batch", std::int64_t{1}, "rows", "columns"}}};
  model.outputs = {{.name = "logits", .shape = {"batch", std::int64_t{2}, "rows", "columns"}}};
  model.initializers = {{.name = "weight", .shape = {2, 1, 1, 1}, .data = std::vector<float>{0, gain}},
                        {.name = "bias", .shape = {2}, .data = std::vector<float>{0, -gain * threshold}}};
  model.nodes = {{.op_type = "Conv",
                  .name = "conv",
                  .inputs = {"image", "weight", "bias"},
                  .outputs = {"logits"},
                  .attributes = {}}};
  model.metadata = dataset::Preprocessing{.size = size}.to_metadata();
  model.metadata["pulmoseg.classes"] = "background,lesion";
  return model;
}

onnx::Model lung_and_lesion_network(std::int64_t size) {
  onnx::Model model = threshold_network(1, 0, size);
  model.outputs[0].shape[1] = std::int64_t{3};
  model.initializers = {{.name = "weight", .shape = {3, 1, 1, 1}, .data = std::vector<float>{0, 40, 120}},
                        {.name = "bias", .shape = {3}, .data = std::vector<float>{0, -10, -70}}};
  model.metadata["pulmoseg.classes"] = "background,lung,lesion";
  model.metadata["pulmoseg.class_map"] = "lung+lesion";
  return model;
}

onnx::Model below_network(std::int64_t size) {
  onnx::Model model = threshold_network(20, 0.5, size);
  model.inputs[0].shape[1] = std::int64_t{3};
  model.initializers[0] = {.name = "weight", .shape = {2, 3, 1, 1}, .data = std::vector<float>{0, 0, 0, 20, 0, 0}};
  model.metadata = dataset::Preprocessing{.size = size, .neighbours = 1}.to_metadata();
  model.metadata["pulmoseg.classes"] = "background,lesion";
  return model;
}

onnx::Model pooled_threshold_network(float gain, float threshold, std::int64_t size) {
  onnx::Model model = threshold_network(gain, threshold, size);
  const std::vector<std::int64_t> two{2, 2};
  model.initializers.push_back({.name = "scales", .shape = {4}, .data = std::vector<float>{1, 1, 2, 2}});
  model.nodes[0].inputs[0] = "pooled";
  model.nodes[0].outputs[0] = "small";
  model.nodes.insert(model.nodes.begin(),
                     {.op_type = "AveragePool",
                      .name = "pool",
                      .inputs = {"image"},
                      .outputs = {"pooled"},
                      .attributes = {{.name = "kernel_shape", .value = two}, {.name = "strides", .value = two}}});
  model.nodes.push_back(
      {.op_type = "Resize",
       .name = "resize",
       .inputs = {"small", "", "scales"},
       .outputs = {"logits"},
       .attributes = {{.name = "mode", .value = std::string("linear")},
                      {.name = "coordinate_transformation_mode", .value = std::string("half_pixel")}}});
  return model;
}

}  // namespace pulmoseg::test
