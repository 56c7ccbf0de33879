#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/onnx/fields.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

/// A file's bytes without a copy: only what is looked at is read from disk.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts {};
    if (descriptor < 0 || ::fstat(descriptor, &facts) != 0) {
      const std::string reason = std::strerror(errno);
      if (descriptor >= 0) ::close(descriptor);
      throw Error(fmt::format("{}: cannot be read: {}", file.string(), reason));
    }
    size_ = S_ISREG(facts.st_mode) ? static_cast<std::size_t>(facts.st_size) : 0;
    if (size_ > 0) data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    ::close(descriptor);
    if (size_ == 0) throw Error(fmt::format("{}: is no file with bytes in it, expected an ONNX file", file.string()));
    if (data_ == MAP_FAILED) throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() { ::munmap(data_, size_); }
  protozero::data_view view() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Something is wrong with the bytes; read() adds the file's name.
[[noreturn]] void refuse(std::string what) { throw Error(std::move(what)); }

/// protozero itself checks wire types only with assert().
void expect(const pbf_reader& message, pbf_wire_type type) {
  if (message.wire_type() == type) return;
  refuse(fmt::format("is not an ONNX file (field {} has wire type {}, expected {})", message.tag(),
                     static_cast<unsigned>(message.wire_type()), static_cast<unsigned>(type)));
}

std::int64_t read_integer(pbf_reader& message) {
  expect(message, pbf_wire_type::varint);
  return message.get_int64();
}

float read_float(pbf_reader& message) {
  expect(message, pbf_wire_type::fixed32);
  return message.get_float();
}

protozero::data_view read_bytes(pbf_reader& message) {
  expect(message, pbf_wire_type::length_delimited);
  return message.get_view();
}

std::string read_text(pbf_reader& message) { return std::string(read_bytes(message)); }

pbf_reader read_message(pbf_reader& message) { return pbf_reader(read_bytes(message)); }

/// Repeated numbers come packed (one field) or one field each; every reader must take both.
void read_integers(pbf_reader& message, std::vector<std::int64_t>& values) {
  if (message.wire_type() == pbf_wire_type::length_delimited) {
    const auto packed = message.get_packed_int64();
    values.insert(values.end(), packed.begin(), packed.end());
  } else {
    values.push_back(read_integer(message));
  }
}

void read_floats(pbf_reader& message, std::vector<float>& values) {
  if (message.wire_type() == pbf_wire_type::length_delimited) {
    const auto packed = message.get_packed_float();
    values.insert(values.end(), packed.begin(), packed.end());
  } else {
    values.push_back(read_float(message));
  }
}

Attribute read_attribute(pbf_reader message) {
  Attribute attribute;
  std::int64_t type = 0, integer = 0;
  float single = 0;
  std::string text;
  std::vector<std::int64_t> integers;
  std::vector<float> floats;
  while (message.next()) {
    switch (message.tag()) {
      case field::attribute::name: attribute.name = read_text(message); break;
      case field::attribute::type: type = read_integer(message); break;
      case field::attribute::i: integer = read_integer(message); break;
      case field::attribute::f: single = read_float(message); break;
      case field::attribute::s: text = read_text(message); break;
      case field::attribute::ints: read_integers(message, integers); break;
      case field::attribute::floats: read_floats(message, floats); break;
      default: message.skip();
    }
  }
  switch (static_cast<field::AttributeType>(type)) {
    case field::AttributeType::integer: attribute.value = integer; break;
    case field::AttributeType::float_value: attribute.value = single; break;
    case field::AttributeType::string: attribute.value = std::move(text); break;
    case field::AttributeType::integers: attribute.value = std::move(integers); break;
    case field::AttributeType::floats: attribute.value = std::move(floats); break;
    default:
      refuse(fmt::format("attribute '{}' has type {}, expected a number, a text or a list of numbers", attribute.name,
                         type));
  }
  return attribute;
}

Node read_node(pbf_reader message) {
  Node node;
  std::string domain;
  while (message.next()) {
    switch (message.tag()) {
      case field::node::input: node.inputs.push_back(read_text(message)); break;
      case field::node::output: node.outputs.push_back(read_text(message)); break;
      case field::node::name: node.name = read_text(message); break;
      case field::node::op_type: node.op_type = read_text(message); break;
      case field::node::domain: domain = read_text(message); break;
      case field::node::attribute: node.attributes.push_back(read_attribute(read_message(message))); break;
      default: message.skip();
    }
  }
  if (!domain.empty() && domain != "ai.onnx") {
    refuse(fmt::format("operator {} is of domain '{}', expected ONNX's own", node.op_type, domain));
  }
  if (node.outputs.empty())
    refuse(fmt::format("operator {} '{}' has no output, expected one", node.op_type, node.name));
  const bool scales = node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear";
  if (scales && node.inputs.size() < 2) {
    refuse(fmt::format("operator {} '{}' has {} inputs, expected a tensor and its scale", node.op_type, node.name,
                       node.inputs.size()));
  }
  return node;
}

/// How many values a shape holds, or nothing when it is impossible.
std::optional<std::size_t> count_values(std::span<const std::int64_t> shape) {
  constexpr std::size_t largest = std::numeric_limits<std::int32_t>::max();
  std::size_t count = 1;
  for (const auto size : shape) {
    if (size < 0 || static_cast<std::size_t>(size) > largest) return std::nullopt;
    count *= static_cast<std::size_t>(size);
    if (count > largest) return std::nullopt;
  }
  return count;
}

/// The values of a tensor, from raw bytes or from the field of its type.
template <class Value>
std::vector<Value> take_values(std::vector<Value> values, std::optional<protozero::data_view> raw, std::size_t count,
                               const std::string& name) {
  if (raw && raw->size() % sizeof(Value) == 0) {
    values.resize(raw->size() / sizeof(Value));
    if (!values.empty()) std::memcpy(values.data(), raw->data(), raw->size());
  }
  if (values.size() != count) {
    refuse(fmt::format("initializer '{}' has {} bytes or {} values, expected {} values", name, raw ? raw->size() : 0,
                       values.size(), count));
  }
  return values;
}

/// Smaller whole numbers, which stand one by one in a field of 32 bits where they are not raw.
template <class Value>
std::vector<Value> take_whole(const std::vector<std::int64_t>& values, std::optional<protozero::data_view> raw,
                              std::size_t count, const std::string& name) {
  return take_values(std::vector<Value>(values.begin(), values.end()), raw, count, name);
}

Initializer read_initializer(pbf_reader message) {
  Initializer initializer;
  std::int64_t type = 0, location = 0;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
  std::optional<protozero::data_view> raw;
  while (message.next()) {
    switch (message.tag()) {
      case field::tensor::dims: read_integers(message, initializer.shape); break;
      case field::tensor::data_type: type = read_integer(message); break;
      case field::tensor::name: initializer.name = read_text(message); break;
      case field::tensor::float_data: read_floats(message, floats); break;
      case field::tensor::int32_data:
      case field::tensor::int64_data: read_integers(message, integers); break;
      case field::tensor::raw_data: raw = read_bytes(message); break;
      case field::tensor::data_location: location = read_integer(message); break;
      default: message.skip();
    }
  }
  const auto& name = initializer.name;
  if (location != 0) refuse(fmt::format("keeps initializer '{}' in another file; save the model as one file", name));
  const auto count = count_values(initializer.shape);
  if (!count) refuse(fmt::format("initializer '{}' has an impossible shape", name));
  switch (static_cast<field::ElementType>(type)) {
    case field::ElementType::float32: initializer.data = take_values(std::move(floats), raw, *count, name); break;
    case field::ElementType::int64: initializer.data = take_values(std::move(integers), raw, *count, name); break;
    case field::ElementType::int32: initializer.data = take_whole<std::int32_t>(integers, raw, *count, name); break;
    case field::ElementType::int8: initializer.data = take_whole<std::int8_t>(integers, raw, *count, name); break;
    case field::ElementType::uint8: initializer.data = take_whole<std::uint8_t>(integers, raw, *count, name); break;
    default:
      refuse(fmt::format(
          "initializer '{}' has element type {}, expected 1 (float32), 2 (uint8), 3 (int8), 6 (int32) or 7 (int64)",
          name, type));
  }
  return initializer;
}

std::string read_initializer_name(pbf_reader message) {
  std::string name;
  while (message.next(field::tensor::name)) name = read_text(message);
  return name;
}

void read_shape(pbf_reader message, ValueInfo& value) {
  while (message.next(field::shape::dim)) {
    auto& dimension = value.shape.emplace_back(std::string());
    pbf_reader content = read_message(message);
    while (content.next()) {
      switch (content.tag()) {
        case field::dimension::value: dimension = read_integer(content); break;
        case field::dimension::parameter: dimension = read_text(content); break;
        default: content.skip();
      }
    }
  }
}

void read_tensor_type(pbf_reader message, ValueInfo& value) {
  while (message.next()) {
    switch (message.tag()) {
      case field::tensor_type::elem_type: value.element_type = static_cast<std::int32_t>(read_integer(message)); break;
      case field::tensor_type::shape: read_shape(read_message(message), value); break;
      default: message.skip();
    }
  }
}

ValueInfo read_value(pbf_reader message) {
  ValueInfo value{.name = {}, .shape = {}, .element_type = 0};
  while (message.next()) {
    switch (message.tag()) {
      case field::value::name: value.name = read_text(message); break;
      case field::value::type: {
        pbf_reader type = read_message(message);
        while (type.next(field::type::tensor_type)) read_tensor_type(read_message(type), value);
        break;
      }
      default: message.skip();
    }
  }
  return value;
}

enum class Depth { header, everything };

void read_graph(pbf_reader message, Model& model, Depth depth) {
  std::set<std::string> initializers;
  while (message.next()) {
    switch (message.tag()) {
      case field::graph::name: model.graph_name = read_text(message); break;
      case field::graph::input: model.inputs.push_back(read_value(read_message(message))); break;
      case field::graph::output: model.outputs.push_back(read_value(read_message(message))); break;
      case field::graph::node:
        if (depth == Depth::everything)
          model.nodes.push_back(read_node(read_message(message)));
        else
          read_bytes(message);
        break;
      case field::graph::initializer: {
        const pbf_reader initializer = read_message(message);
        initializers.insert(read_initializer_name(initializer));
        if (depth == Depth::everything) model.initializers.push_back(read_initializer(initializer));
        break;
      }
      case field::graph::sparse_initializer:
        if (depth == Depth::everything) refuse("has a sparse initializer, expected dense ones");
        message.skip();
        break;
      default: message.skip();
    }
  }
  // Old exporters list every initializer among the inputs.
  std::erase_if(model.inputs, [&](const ValueInfo& input) { return initializers.contains(input.name); });
}

std::pair<std::string, std::int64_t> read_opset(pbf_reader message) {
  std::pair<std::string, std::int64_t> opset;
  while (message.next()) {
    if (message.tag() == field::opset::domain)
      opset.first = read_text(message);
    else if (message.tag() == field::opset::version)
      opset.second = read_integer(message);
    else
      message.skip();
  }
  return opset;
}

std::pair<std::string, std::string> read_entry(pbf_reader message) {
  std::pair<std::string, std::string> entry;
  while (message.next()) {
    if (message.tag() == field::entry::key)
      entry.first = read_text(message);
    else if (message.tag() == field::entry::value)
      entry.second = read_text(message);
    else
      message.skip();
  }
  return entry;
}

Model read_model(pbf_reader message, Depth depth) {
  Model model{.graph_name = {},
              .nodes = {},
              .initializers = {},
              .inputs = {},
              .outputs = {},
              .metadata = {},
              .opset = 0,
              .producer = {}};
  bool has_graph = false;
  while (message.next()) {
    switch (message.tag()) {
      case field::model::producer_name: model.producer = read_text(message); break;
      case field::model::graph:
        read_graph(read_message(message), model, depth);
        has_graph = true;
        break;
      case field::model::opset_import:
        if (const auto [domain, version] = read_opset(read_message(message)); domain.empty() || domain == "ai.onnx") {
          if (version < 1 || version > 1000) refuse(fmt::format("names opset {}, which does not exist", version));
          model.opset = static_cast<int>(version);
        }
        break;
      case field::model::metadata_props: model.metadata.insert(read_entry(read_message(message))); break;
      default: message.skip();
    }
  }
  if (!has_graph || model.opset == 0) refuse("is not an ONNX file (no graph or no opset in it)");
  return model;
}

Model read_file(const std::filesystem::path& file, Depth depth) {
  const MappedFile mapped(file);
  try {
    return read_model(pbf_reader(mapped.view()), depth);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file.string(), error.what()));
  } catch (const protozero::exception& error) {
    throw Error(fmt::format("{}: is not an ONNX file or is truncated ({}); copy or export it again", file.string(),
                            error.what()));
  }
}

}  // namespace

Model read(const std::filesystem::path& file) { return read_file(file, Depth::everything); }

Model read_header(const std::filesystem::path& file) { return read_file(file, Depth::header); }

}  // namespace pulmoseg::onnx
