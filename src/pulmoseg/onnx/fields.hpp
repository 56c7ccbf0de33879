#pragma once
// Field numbers of the ONNX messages (onnx.proto), for read.cpp and write.cpp only.

#include <bit>
#include <protozero/types.hpp>

namespace pulmoseg::onnx::field {

static_assert(std::endian::native == std::endian::little, "ONNX stores tensors in little-endian order");

namespace model {
enum : protozero::pbf_tag_type { ir_version = 1, producer_name = 2, graph = 7, opset_import = 8, metadata_props = 14 };
}
namespace opset {
enum : protozero::pbf_tag_type { domain = 1, version = 2 };
}
namespace entry {
enum : protozero::pbf_tag_type { key = 1, value = 2 };
}
namespace graph {
enum : protozero::pbf_tag_type {
  node = 1,
  name = 2,
  initializer = 5,
  input = 11,
  output = 12,
  sparse_initializer = 15
};
}
namespace node {
enum : protozero::pbf_tag_type { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7 };
}
namespace attribute {
enum : protozero::pbf_tag_type { name = 1, f = 2, i = 3, s = 4, floats = 7, ints = 8, type = 20 };
}
namespace tensor {
enum : protozero::pbf_tag_type {
  dims = 1,
  data_type = 2,
  float_data = 4,
  int32_data = 5,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  data_location = 14
};
}
namespace value {
enum : protozero::pbf_tag_type { name = 1, type = 2 };
}
namespace type {
enum : protozero::pbf_tag_type { tensor_type = 1 };
}
namespace tensor_type {
enum : protozero::pbf_tag_type { elem_type = 1, shape = 2 };
}
namespace shape {
enum : protozero::pbf_tag_type { dim = 1 };
}
namespace dimension {
enum : protozero::pbf_tag_type { value = 1, parameter = 2 };
}

enum class AttributeType { float_value = 1, integer = 2, string = 3, floats = 6, integers = 7 };
enum class ElementType { float32 = 1, uint8 = 2, int8 = 3, int32 = 6, int64 = 7 };

}  // namespace pulmoseg::onnx::field
