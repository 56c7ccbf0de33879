#pragma once
// An ONNX file as plain structs: what the network export fills in, and what is read back from a file.
//
// Only what our own networks need of the format: one graph, the default operator domain, dense float32, int64, int32, int8 and
// uint8 tensors stored inside the file. Field numbers follow onnx.proto of ONNX 1.23 (IR version 8 for opset 17).
//
// Errors: Error, one line that begins with the file. Threads: the functions share nothing.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace pulmoseg::onnx {

struct Attribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<float>> value;
};

struct Node {
  std::string op_type, name;
  std::vector<std::string> inputs, outputs;  ///< an empty input name leaves an optional input out
  std::vector<Attribute> attributes;
};

struct Initializer {
  std::string name;
  std::vector<std::int64_t> shape;
  /// Row-major. The span borrows its values from the caller (a network's weights, not copied) and never comes from read().
  std::variant<std::vector<float>, std::vector<std::int64_t>, std::vector<std::int32_t>, std::vector<std::int8_t>,
               std::vector<std::uint8_t>, std::span<const float>>
      data;
};

constexpr std::int32_t float32_elements = 1;  ///< TensorProto.DataType FLOAT

struct ValueInfo {
  std::string name;
  std::vector<std::variant<std::int64_t, std::string>> shape;  ///< a string names a dynamic dimension ("" when unnamed)
  std::int32_t element_type = float32_elements;
};

struct Model {
  std::string graph_name;
  std::vector<Node> nodes;  ///< in the order of execution
  std::vector<Initializer> initializers;
  std::vector<ValueInfo> inputs, outputs;  ///< inputs that are not initializers
  std::map<std::string, std::string> metadata;
  int opset = 17;
  std::string producer = "pulmoseg";
};

/// Writes `model` whole or not at all; equal models give equal bytes. Weights go from where they are straight to the file.
/// Error when the file cannot be written, when a tensor's values do not fill its shape, or beyond the 2 GB that ONNX allows.
void write(const Model& model, const std::filesystem::path& file);

/// The bytes of that file. Errors begin with `name`.
std::string to_bytes(const Model& model, const std::string& name);

/// Reads a whole model.
/// Error when the file is not ONNX, is truncated, keeps weights in other files, or holds something that Model cannot (a
/// tensor of another type, an attribute that is a graph or a tensor, an operator of another domain).
Model read(const std::filesystem::path& file);

/// As read(), for any ONNX file, leaving nodes and initializers empty: what goes in and out, metadata, opset, producer.
/// Touches no weights, so it takes no time for a large file.
Model read_header(const std::filesystem::path& file);

}  // namespace pulmoseg::onnx
