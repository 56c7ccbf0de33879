#include <fmt/format.h>
#include <fmt/ranges.h>

#include <protozero/pbf_writer.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/onnx/fields.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::onnx {
namespace {

using protozero::pbf_writer;

/// A message in pieces: a length stands before each nested message, so all sizes must be known before the first byte is
/// written, and the weights shall not be copied for that.
class Message {
 public:
  std::string& text() {
    if (pieces_.empty() || pieces_.back().borrowed.data()) pieces_.emplace_back();
    return pieces_.back().owned;
  }
  void borrow(std::span<const std::byte> bytes) {
    if (!bytes.empty()) pieces_.push_back({{}, bytes});
  }
  std::size_t size() const {
    std::size_t size = 0;
    for (const auto& piece : pieces_) size += piece.owned.size() + piece.borrowed.size();
    return size;
  }
  void borrow(const Message& other) {
    for (const auto& piece : other.pieces_) {
      borrow(std::as_bytes(std::span(piece.owned)));
      borrow(piece.borrowed);
    }
  }
  /// Hands over the bytes, one stretch after the other.
  template <class Write>
  void for_each_stretch(Write write) const {
    for (const auto& piece : pieces_) {
      write(std::as_bytes(std::span(piece.owned)));
      write(piece.borrowed);
    }
  }

 private:
  struct Piece {
    std::string owned;
    std::span<const std::byte> borrowed;
  };
  std::vector<Piece> pieces_;
};

/// The key and length that stand before `size` bytes which are added by other means.
void begin_bytes(std::string& text, protozero::pbf_tag_type tag, std::size_t size) {
  protozero::write_varint(std::back_inserter(text),
                          (tag << 3U) | static_cast<unsigned>(protozero::pbf_wire_type::length_delimited));
  protozero::write_varint(std::back_inserter(text), size);
}

struct AttributeWriter {
  pbf_writer& message;

  void type(field::AttributeType type) { message.add_enum(field::attribute::type, static_cast<int>(type)); }
  void operator()(std::int64_t value) {
    message.add_int64(field::attribute::i, value);
    type(field::AttributeType::integer);
  }
  void operator()(float value) {
    message.add_float(field::attribute::f, value);
    type(field::AttributeType::float_value);
  }
  void operator()(const std::string& value) {
    message.add_bytes(field::attribute::s, value);
    type(field::AttributeType::string);
  }
  void operator()(const std::vector<std::int64_t>& values) {
    for (const auto value : values) message.add_int64(field::attribute::ints, value);
    type(field::AttributeType::integers);
  }
  void operator()(const std::vector<float>& values) {
    for (const auto value : values) message.add_float(field::attribute::floats, value);
    type(field::AttributeType::floats);
  }
};

void add_node(std::string& graph, const Node& node) {
  pbf_writer graph_writer(graph);
  pbf_writer message(graph_writer, field::graph::node);
  for (const auto& input : node.inputs) message.add_string(field::node::input, input);
  for (const auto& output : node.outputs) message.add_string(field::node::output, output);
  message.add_string(field::node::name, node.name);
  message.add_string(field::node::op_type, node.op_type);
  for (const auto& attribute : node.attributes) {
    pbf_writer attribute_message(message, field::node::attribute);
    attribute_message.add_string(field::attribute::name, attribute.name);
    std::visit(AttributeWriter{attribute_message}, attribute.value);
  }
}

void add_value(std::string& graph, protozero::pbf_tag_type tag, const ValueInfo& value) {
  pbf_writer graph_writer(graph);
  pbf_writer message(graph_writer, tag);
  message.add_string(field::value::name, value.name);
  pbf_writer type(message, field::value::type);
  pbf_writer tensor(type, field::type::tensor_type);
  tensor.add_int32(field::tensor_type::elem_type, value.element_type);
  pbf_writer shape(tensor, field::tensor_type::shape);
  for (const auto& dimension : value.shape) {
    pbf_writer dim(shape, field::shape::dim);
    if (const auto* size = std::get_if<std::int64_t>(&dimension))
      dim.add_int64(field::dimension::value, *size);
    else
      dim.add_string(field::dimension::parameter, std::get<std::string>(dimension));
  }
}

field::ElementType element_type_of(float) { return field::ElementType::float32; }
field::ElementType element_type_of(std::int64_t) { return field::ElementType::int64; }
field::ElementType element_type_of(std::int32_t) { return field::ElementType::int32; }
field::ElementType element_type_of(std::int8_t) { return field::ElementType::int8; }
field::ElementType element_type_of(std::uint8_t) { return field::ElementType::uint8; }

void add_initializer(Message& graph, const Initializer& initializer, const std::string& file) {
  std::int64_t expected = 1;
  for (const auto size : initializer.shape) expected *= size;
  const auto [count, bytes, type] = std::visit(
      [](const auto& data) {
        return std::tuple(std::ssize(data), std::as_bytes(std::span(data)),
                          element_type_of(typename std::decay_t<decltype(data)>::value_type()));
      },
      initializer.data);
  if (count != expected) {
    throw Error(fmt::format("{}: cannot be written: initializer '{}' has {} values, expected {} for its shape [{}]",
                            file, initializer.name, count, expected, fmt::join(initializer.shape, ",")));
  }
  std::string head;
  pbf_writer message(head);
  for (const auto size : initializer.shape) message.add_int64(field::tensor::dims, size);
  message.add_int32(field::tensor::data_type, static_cast<std::int32_t>(type));
  message.add_string(field::tensor::name, initializer.name);
  begin_bytes(head, field::tensor::raw_data, bytes.size());

  begin_bytes(graph.text(), field::graph::initializer, head.size() + bytes.size());
  graph.text() += head;
  graph.borrow(bytes);
}

Message serialize_graph(const Model& model, const std::string& file) {
  Message graph;
  for (const auto& node : model.nodes) add_node(graph.text(), node);
  pbf_writer(graph.text()).add_string(field::graph::name, model.graph_name);
  for (const auto& initializer : model.initializers) add_initializer(graph, initializer, file);
  for (const auto& input : model.inputs) add_value(graph.text(), field::graph::input, input);
  for (const auto& output : model.outputs) add_value(graph.text(), field::graph::output, output);
  return graph;
}

/// The format version that came with an opset (the table of ONNX's docs/Versioning.md).
std::int64_t ir_version(int opset) { return opset >= 21 ? 10 : opset >= 19 ? 9 : 8; }

/// The whole file; its weights stay where they are, in `model` and in `graph`, which must outlive it.
Message serialize(const Model& model, const Message& graph, const std::string& file) {
  Message message;
  pbf_writer head(message.text());
  head.add_int64(field::model::ir_version, ir_version(model.opset));
  head.add_string(field::model::producer_name, model.producer);
  begin_bytes(message.text(), field::model::graph, graph.size());
  message.borrow(graph);
  pbf_writer tail(message.text());
  {
    pbf_writer opset(tail, field::model::opset_import);
    opset.add_string(field::opset::domain, "");
    opset.add_int64(field::opset::version, model.opset);
  }
  for (const auto& [key, value] : model.metadata) {
    pbf_writer entry(tail, field::model::metadata_props);
    entry.add_string(field::entry::key, key);
    entry.add_string(field::entry::value, value);
  }
  constexpr std::size_t largest = 0x7fffffff;  // protobuf counts bytes in 31 bits
  if (message.size() > largest) {
    throw Error(fmt::format("{}: cannot be written: would have {} bytes, and an ONNX file has at most {}", file,
                            message.size(), largest));
  }
  return message;
}

}  // namespace

void write(const Model& model, const std::filesystem::path& file) {
  const Message graph = serialize_graph(model, file.string()), message = serialize(model, graph, file.string());
  OutputFile output(file);
  message.for_each_stretch([&](std::span<const std::byte> bytes) { output.write(bytes); });
  output.commit();
}

std::string to_bytes(const Model& model, const std::string& name) {
  const Message graph = serialize_graph(model, name), message = serialize(model, graph, name);
  std::string bytes;
  bytes.reserve(message.size());
  message.for_each_stretch([&](std::span<const std::byte> stretch) {
    bytes.append(reinterpret_cast<const char*>(stretch.data()), stretch.size());
  });
  return bytes;
}

}  // namespace pulmoseg::onnx
