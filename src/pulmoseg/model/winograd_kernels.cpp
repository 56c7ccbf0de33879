#include "pulmoseg/model/winograd_kernels.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

namespace pulmoseg::model::kernels {
namespace {

constexpr std::int64_t tiles_a_task = 16, kernels_a_task = 8;

/// `Side` x `Side` pixels, `dilation` apart; those outside of the image are a row of zeros, or one that nobody reads.
template <class T, int Side>
std::array<T*, static_cast<std::size_t>(Side* Side)> pixels_of(const WinogradTiles& tiles,
                                                               const WinogradTiles::Place& place, T* images,
                                                               std::int64_t channels, T* outside) {
  constexpr std::int64_t first = Side == 4 ? -1 : 0;
  std::array<T*, static_cast<std::size_t>(Side * Side)> pixels;
  for (std::int64_t i = 0; i < Side * Side; ++i) {
    const std::int64_t row = place.row + (first + i / Side) * tiles.dilation;
    const std::int64_t column = place.column + (first + i % Side) * tiles.dilation;
    const bool inside = row >= 0 && row < tiles.rows && column >= 0 && column < tiles.columns;
    const std::int64_t at = (place.image * tiles.rows + row) * tiles.columns + column;
    pixels[static_cast<std::size_t>(i)] = inside ? images + at * channels : outside;
  }
  return pixels;
}

/// Element `at` of each of the sixteen planes. Turned by 180 degrees, a kernel has its first and last rows and columns of
/// places exchanged.
template <class T>
std::array<T*, 16> places_of(T* planes, std::int64_t plane, std::int64_t at, Kernel kernel = Kernel::upright) {
  constexpr std::array<std::int64_t, 4> turned{3, 1, 2, 0};
  std::array<T*, 16> places;
  for (std::size_t i = 0; i < 16; ++i) {
    const auto place = static_cast<std::int64_t>(i);
    places[i] = planes + at + plane * (kernel == Kernel::turned ? 4 * turned[i / 4] + turned[i % 4] : place);
  }
  return places;
}

// The matrices of F(2,3): each writes what it makes of a vector of `from` elements, `step` apart, to `to` elements of y.
struct Input {
  static constexpr int from = 4, to = 4;
  template <class Number>
  PULMOSEG_INLINE static void vector(const Number* d, Number* y, int step) {
    y[0] = d[0] - d[2 * step];
    y[step] = d[step] + d[2 * step];
    y[2 * step] = d[2 * step] - d[step];
    y[3 * step] = d[step] - d[3 * step];
  }
};

struct Products {
  static constexpr int from = 4, to = 2;
  template <class Number>
  PULMOSEG_INLINE static void vector(const Number* m, Number* y, int step) {
    y[0] = m[0] + m[step] + m[2 * step];
    y[step] = m[step] - m[2 * step] - m[3 * step];
  }
};

struct Gradient {
  static constexpr int from = 2, to = 4;
  template <class Number>
  PULMOSEG_INLINE static void vector(const Number* g, Number* y, int step) {
    y[0] = g[0];
    y[step] = g[0] + g[step];
    y[2 * step] = g[0] - g[step];
    y[3 * step] = -g[step];
  }
};

struct Weights {
  static constexpr int from = 3, to = 4;
  template <class Number>
  PULMOSEG_INLINE static void vector(const Number* g, Number* y, int step) {
    const Number outer = (g[0] + g[2 * step]) / 2, middle = g[step] / 2;
    y[0] = g[0];
    y[step] = outer + middle;
    y[2 * step] = outer - middle;
    y[3 * step] = g[2 * step];
  }
};

struct WeightsGradient {
  static constexpr int from = 4, to = 3;
  template <class Number>
  PULMOSEG_INLINE static void vector(const Number* u, Number* y, int step) {
    const Number both = (u[step] + u[2 * step]) / 2;
    y[0] = u[0] + both;
    y[step] = (u[step] - u[2 * step]) / 2;
    y[2 * step] = both + u[3 * step];
  }
};

template <class T, int Side>
using Square = std::array<T*, static_cast<std::size_t>(Side* Side)>;

/// The matrix from both sides: first down the columns of a square of elements, then along the rows of the answer. Each channel
/// by itself.
template <class Matrix, class From, class To>
PULMOSEG_FOR_EACH_PROCESSOR void transform(const Square<const From, Matrix::from>& from, std::int64_t channels,
                                           const Square<To, Matrix::to>& to) {
  constexpr int in = Matrix::from, out = Matrix::to;
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    Number<From> x[in * in], half[out * in], y[out * out];
    for (int i = 0; i < in * in; ++i) x[i] = load(from[static_cast<std::size_t>(i)][c]);
    for (int i = 0; i < in; ++i) Matrix::vector(x + i, half + i, in);
    for (int i = 0; i < out; ++i) Matrix::vector(half + in * i, y + out * i, 1);
    for (int i = 0; i < out * out; ++i) store(y[i], to[static_cast<std::size_t>(i)][c]);
  }
}

/// work(tile, its place, a row of zeros as long as a pixel) for every tile, in parallel.
template <class T, class Work>
void for_each_tile(const WinogradTiles& tiles, std::int64_t channels, const Work& work) {
  at::parallel_for(0, tiles.count(), tiles_a_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> outside(static_cast<std::size_t>(channels));
    for (std::int64_t tile = begin; tile < end; ++tile)
      work(tile, tiles.places[static_cast<std::size_t>(tile)], outside.data());
  });
}

template <class Work>
void for_each_kernel(std::int64_t count, const Work& work) {
  at::parallel_for(0, count, kernels_a_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) work(i);
  });
}

/// The nine taps of the i-th kernel.
template <class T>
std::array<T*, 9> taps_of(T* kernels, std::int64_t i, std::int64_t channels) {
  std::array<T*, 9> taps;
  for (std::size_t tap = 0; tap < 9; ++tap) taps[tap] = kernels + (i * 9 + static_cast<std::int64_t>(tap)) * channels;
  return taps;
}

}  // namespace

WinogradTiles winograd_tiles(std::int64_t images, std::int64_t rows, std::int64_t columns, std::int64_t dilation) {
  const auto firsts = [dilation](std::int64_t extent) {  // of the pairs of pixels `dilation` apart
    std::vector<std::int64_t> found;
    for (std::int64_t begin = 0; begin < extent; begin += 2 * dilation) {
      for (std::int64_t i = begin; i < std::min(begin + dilation, extent); ++i) found.push_back(i);
    }
    return found;
  };
  WinogradTiles tiles{.rows = rows, .columns = columns, .dilation = dilation, .places = {}};
  for (std::int64_t image = 0; image < images; ++image) {
    for (const std::int64_t row : firsts(rows)) {
      for (const std::int64_t column : firsts(columns)) tiles.places.push_back({image, row, column});
    }
  }
  return tiles;
}

template <class T>
void transform_input(const WinogradTiles& tiles, const T* images, std::int64_t channels, Kernel kernel, T* planes) {
  for_each_tile<T>(tiles, channels, [&](std::int64_t tile, const WinogradTiles::Place& place, const T* zeros) {
    transform<Input, T, T>(pixels_of<const T, 4>(tiles, place, images, channels, zeros), channels,
                           places_of(planes, tiles.count() * channels, tile * channels, kernel));
  });
}

template <class T>
void transform_products(const WinogradTiles& tiles, const T* planes, std::int64_t channels, Kernel kernel, T* images) {
  for_each_tile<T>(tiles, channels, [&](std::int64_t tile, const WinogradTiles::Place& place, T* unread) {
    transform<Products, T, T>(places_of(planes, tiles.count() * channels, tile * channels, kernel), channels,
                              pixels_of<T, 2>(tiles, place, images, channels, unread));
  });
}

template <class T>
void transform_gradient(const WinogradTiles& tiles, const T* images, std::int64_t channels, T* planes) {
  for_each_tile<T>(tiles, channels, [&](std::int64_t tile, const WinogradTiles::Place& place, const T* zeros) {
    transform<Gradient, T, T>(pixels_of<const T, 2>(tiles, place, images, channels, zeros), channels,
                              places_of(planes, tiles.count() * channels, tile * channels));
  });
}

template <class T>
void transform_kernel(const Number<T>* kernels, std::int64_t count, std::int64_t channels, T* planes) {
  for_each_kernel(count, [&](std::int64_t i) {
    transform<Weights, Number<T>, T>(taps_of(kernels, i, channels), channels,
                                     places_of(planes, count * channels, i * channels));
  });
}

template <class T>
void transform_kernel_gradient(const T* planes, std::int64_t count, std::int64_t channels, Number<T>* kernels) {
  for_each_kernel(count, [&](std::int64_t i) {
    transform<WeightsGradient, T, Number<T>>(places_of(planes, count * channels, i * channels), channels,
                                             taps_of(kernels, i, channels));
  });
}

#define INSTANTIATE(T)                                                                           \
  template void transform_input<T>(const WinogradTiles&, const T*, std::int64_t, Kernel, T*);    \
  template void transform_products<T>(const WinogradTiles&, const T*, std::int64_t, Kernel, T*); \
  template void transform_gradient<T>(const WinogradTiles&, const T*, std::int64_t, T*);         \
  template void transform_kernel<T>(const Number<T>*, std::int64_t, std::int64_t, T*);           \
  template void transform_kernel_gradient<T>(const T*, std::int64_t, std::int64_t, Number<T>*)
INSTANTIATE(float);
INSTANTIATE(double);
INSTANTIATE(bfloat16_bits);

}  // namespace pulmoseg::model::kernels
