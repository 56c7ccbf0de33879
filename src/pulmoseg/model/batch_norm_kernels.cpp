#include "pulmoseg/model/batch_norm_kernels.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pulmoseg::model::kernels {
namespace {

constexpr std::int64_t pixels_a_chunk = 256;  // sums of a chunk are float32, sums of chunks float64

/// Of one chunk: sums of (input - shift) and of its square. The shift keeps the square from drowning the variance.
template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void sum_chunk(const T* input, std::int64_t count, std::int64_t channels,
                                           const float* shift, float* sum, float* square_sum) {
  std::int64_t pixel = 0;
  for (; pixel + 4 <= count; pixel += 4) {
    const T* a = input + pixel * channels;
    const T *b = a + channels, *c = b + channels, *d = c + channels;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < channels; ++i) {
      const float va = load(a[i]) - shift[i], vb = load(b[i]) - shift[i];
      const float vc = load(c[i]) - shift[i], vd = load(d[i]) - shift[i];
      sum[i] += (va + vb) + (vc + vd);
      square_sum[i] += (va * va + vb * vb) + (vc * vc + vd * vd);
    }
  }
  for (; pixel < count; ++pixel) {
    const T* a = input + pixel * channels;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < channels; ++i) {
      const float va = load(a[i]) - shift[i];
      sum[i] += va;
      square_sum[i] += va * va;
    }
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void normalise_chunk(const T* input, std::int64_t count, std::int64_t channels,
                                                 const float* scale, const float* offset, const T* addend, T* output) {
  for (std::int64_t pixel = 0; pixel < count; ++pixel) {
    const T* x = input + pixel * channels;
    T* y = output + pixel * channels;
    if (addend) {
      const T* a = addend + pixel * channels;
#pragma GCC ivdep
      for (std::int64_t i = 0; i < channels; ++i) {
        const float value = load(x[i]) * scale[i] + offset[i] + load(a[i]);
        store(value < 0 ? 0 : value, y[i]);  // NaN stays NaN
      }
    } else {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < channels; ++i) {
        const float value = load(x[i]) * scale[i] + offset[i];
        store(value < 0 ? 0 : value, y[i]);
      }
    }
  }
}

/// What stays the same for all chunks of a backward pass.
struct Statistics {
  const float *mean, *scale, *offset;
};

/// Of one chunk, into `sum` and `product_sum`. Whether there is an addend is known when this is compiled, so that the loop is
/// plain.
template <bool has_addend, class T>
PULMOSEG_INLINE void sum_gradients(const T* input, const Rectifier<T>& r, std::int64_t count, std::int64_t channels,
                                   const Statistics& s, float* sum, float* product_sum) {
  for (std::int64_t pixel = 0; pixel < count; ++pixel) {
    const std::int64_t at = pixel * channels;
    const T *x = input + at, *dy = r.gradient + at;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < channels; ++i) {
      const float value = load(x[i]);
      const float sign = has_addend ? load(r.output[at + i]) : value * s.scale[i] + s.offset[i];
      const float g = sign > 0 ? load(dy[i]) : 0.0f;
      if constexpr (has_addend) store(g, r.rectified[at + i]);
      sum[i] += g;
      product_sum[i] += g * (value - s.mean[i]);
    }
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void sum_gradient_chunk(const T* input, const Rectifier<T>& r, std::int64_t count,
                                                    std::int64_t channels, const Statistics& s, float* sum,
                                                    float* product_sum) {
  r.rectified ? sum_gradients<true>(input, r, count, channels, s, sum, product_sum)
              : sum_gradients<false>(input, r, count, channels, s, sum, product_sum);
}

template <bool has_addend, class T>
PULMOSEG_INLINE void input_gradients(const T* input, const Rectifier<T>& r, std::int64_t count, std::int64_t channels,
                                     const Statistics& s, const float* slope, const float* constant,
                                     T* input_gradient) {
  for (std::int64_t pixel = 0; pixel < count; ++pixel) {
    const std::int64_t at = pixel * channels;
    const T *x = input + at, *dy = (has_addend ? r.rectified : r.gradient) + at;
    T* dx = input_gradient + at;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < channels; ++i) {
      const float value = load(x[i]);
      const bool passes = has_addend || value * s.scale[i] + s.offset[i] > 0;
      const float g = passes ? load(dy[i]) : 0.0f;
      store(g * s.scale[i] + value * slope[i] + constant[i], dx[i]);
    }
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void input_gradient_chunk(const T* input, const Rectifier<T>& r, std::int64_t count,
                                                      std::int64_t channels, const Statistics& s, const float* slope,
                                                      const float* constant, T* input_gradient) {
  r.rectified ? input_gradients<true>(input, r, count, channels, s, slope, constant, input_gradient)
              : input_gradients<false>(input, r, count, channels, s, slope, constant, input_gradient);
}

std::int64_t chunks_of(std::int64_t pixels) { return (pixels + pixels_a_chunk - 1) / pixels_a_chunk; }

/// work(chunk, first pixel, pixels) for every chunk, in parallel.
template <class Work>
void for_each_chunk(std::int64_t pixels, const Work& work) {
  at::parallel_for(0, chunks_of(pixels), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = chunk * pixels_a_chunk;
      work(chunk, first, std::min(pixels_a_chunk, pixels - first));
    }
  });
}

/// What a chunk that begins at element `at` sees of it.
template <class T>
Rectifier<T> part_of(const Rectifier<T>& r, std::int64_t at) {
  return {r.gradient + at, r.output ? r.output + at : nullptr, r.rectified ? r.rectified + at : nullptr};
}

/// Two sums a channel: sum_chunk(chunk's first pixel, pixels, one, other) for every chunk, added up in order.
class ChannelSums {
 public:
  template <class Sum>
  ChannelSums(std::int64_t pixels, std::int64_t channels, const Sum& sum_chunk)
      : channels_(channels), chunks_(chunks_of(pixels)), partial_(static_cast<std::size_t>(chunks_ * 2 * channels)) {
    for_each_chunk(pixels, [&](std::int64_t chunk, std::int64_t first, std::int64_t count) {
      float* one = partial_.data() + chunk * 2 * channels_;
      sum_chunk(first, count, one, one + channels_);
    });
  }
  double one(std::int64_t channel) const { return total(channel); }
  double other(std::int64_t channel) const { return total(channels_ + channel); }

 private:
  double total(std::int64_t at) const {
    double sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk)
      sum += partial_[static_cast<std::size_t>(chunk * 2 * channels_ + at)];
    return sum;
  }

  std::int64_t channels_, chunks_;
  std::vector<float> partial_;
};

}  // namespace

template <class T>
void moments(Pixels<const T> input, std::span<float> mean, std::span<float> variance) {
  std::vector<float> shift(mean.size());
  for (std::size_t i = 0; i < shift.size(); ++i) shift[i] = load(input.data[i]);
  const ChannelSums sums(
      input.count, input.channels, [&](std::int64_t first, std::int64_t count, float* sum, float* square_sum) {
        sum_chunk(input.data + first * input.channels, count, input.channels, shift.data(), sum, square_sum);
      });
  const auto count = static_cast<double>(input.count);
  for (std::int64_t i = 0; i < input.channels; ++i) {
    const double shifted = sums.one(i) / count;
    mean[i] = static_cast<float>(shift[i] + shifted);
    variance[i] = static_cast<float>(std::max(sums.other(i) / count - shifted * shifted, 0.0));
  }
}

template <class T>
void normalise(Pixels<const T> input, std::span<const float> scale, std::span<const float> offset, const T* addend,
               T* output) {
  for_each_chunk(input.count, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    const std::int64_t at = first * input.channels;
    normalise_chunk(input.data + at, count, input.channels, scale.data(), offset.data(), addend ? addend + at : nullptr,
                    output + at);
  });
}

template <class T>
void gradient_sums(Pixels<const T> input, const Rectifier<T>& rectifier, std::span<const float> mean,
                   std::span<const float> scale, std::span<const float> offset, std::span<float> sum,
                   std::span<float> product_sum) {
  const Statistics statistics{mean.data(), scale.data(), offset.data()};
  const ChannelSums sums(
      input.count, input.channels, [&](std::int64_t first, std::int64_t count, float* one, float* other) {
        const std::int64_t at = first * input.channels;
        sum_gradient_chunk(input.data + at, part_of(rectifier, at), count, input.channels, statistics, one, other);
      });
  for (std::int64_t i = 0; i < input.channels; ++i) {
    sum[i] = static_cast<float>(sums.one(i));
    product_sum[i] = static_cast<float>(sums.other(i));
  }
}

template <class T>
void input_gradient(Pixels<const T> input, const Rectifier<T>& rectifier, std::span<const float> scale,
                    std::span<const float> offset, std::span<const float> slope, std::span<const float> constant,
                    T* input_gradient) {
  const Statistics statistics{nullptr, scale.data(), offset.data()};
  for_each_chunk(input.count, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    const std::int64_t at = first * input.channels;
    input_gradient_chunk(input.data + at, part_of(rectifier, at), count, input.channels, statistics, slope.data(),
                         constant.data(), input_gradient + at);
  });
}

#define INSTANTIATE(T)                                                                                                 \
  template void moments<T>(Pixels<const T>, std::span<float>, std::span<float>);                                       \
  template void normalise<T>(Pixels<const T>, std::span<const float>, std::span<const float>, const T*, T*);           \
  template void gradient_sums<T>(Pixels<const T>, const Rectifier<T>&, std::span<const float>, std::span<const float>, \
                                 std::span<const float>, std::span<float>, std::span<float>);                          \
  template void input_gradient<T>(Pixels<const T>, const Rectifier<T>&, std::span<const float>,                        \
                                  std::span<const float>, std::span<const float>, std::span<const float>, T*)
INSTANTIATE(float);
INSTANTIATE(bfloat16_bits);

}  // namespace pulmoseg::model::kernels
