#pragma once
// The loops behind batch_norm.cpp: pixels x channels, channels fastest, in the number format T (float, or bfloat16 as
// its bits). Statistics are float32, one value a channel.

#include <cstdint>
#include <span>

#include "pulmoseg/model/vector_loops.hpp"

namespace pulmoseg::model::kernels {

template <class T>
struct Pixels {
  T* data;
  std::int64_t count, channels;
};

/// Mean and biased variance of each channel.
template <class T>
void moments(Pixels<const T> input, std::span<float> mean, std::span<float> variance);

/// output = relu(input * scale + offset + addend); addend may be null.
template <class T>
void normalise(Pixels<const T> input, std::span<const float> scale, std::span<const float> offset, const T* addend,
               T* output);

/// What the gradient sums look at: a gradient where the output was positive, 0 elsewhere.
/// Without an addend the sign of the output is computed again (input * scale + offset), which is cheaper than reading it;
/// with one, `output` is read and the rectified gradient is written to `rectified`, for the addend and for input_gradient().
template <class T>
struct Rectifier {
  const T* gradient;
  const T* output;  ///< null without an addend
  T* rectified;     ///< null without an addend
};

/// Sums of the rectified gradient g, and of g * (input - mean).
template <class T>
void gradient_sums(Pixels<const T> input, const Rectifier<T>& rectifier, std::span<const float> mean,
                   std::span<const float> scale, std::span<const float> offset, std::span<float> sum,
                   std::span<float> product_sum);

/// input_gradient = scale * g + slope * input + constant.
template <class T>
void input_gradient(Pixels<const T> input, const Rectifier<T>& rectifier, std::span<const float> scale,
                    std::span<const float> offset, std::span<const float> slope, std::span<const float> constant,
                    T* input_gradient);

}  // namespace pulmoseg::model::kernels
