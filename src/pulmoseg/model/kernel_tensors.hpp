#pragma once
// Between LibTorch's tensors and the kernels of this room, which see plain memory.

#include <torch/types.h>

#include "pulmoseg/model/vector_loops.hpp"

namespace pulmoseg::model {

template <class T>
inline constexpr torch::ScalarType scalar_type_of = c10::CppTypeToScalarType<T>::value;
template <>
inline constexpr torch::ScalarType scalar_type_of<kernels::bfloat16_bits> = torch::kBFloat16;

/// Calls work with a zero of the one of these number formats that the tensor has; c10::Error when it is none of them.
template <class... Formats, class Work>
void with_number_format(const torch::Tensor& tensor, const Work& work) {
  const bool known = ((tensor.scalar_type() == scalar_type_of<Formats> && (work(Formats{}), true)) || ...);
  TORCH_CHECK(known, "a number format that no kernel knows: ", tensor.scalar_type());
}

/// Null where the tensor is undefined.
template <class T>
T* memory(const torch::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

inline torch::Tensor channels_last(const torch::Tensor& images) {
  return images.contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace pulmoseg::model
