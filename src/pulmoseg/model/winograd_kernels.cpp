#include "pulmoseg/model/winograd_kernels.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

namespace pulmoseg::model::kernels {
namespace {

constexpr std::int64_t tiles_a_task = 16, kernels_a_task = 8;

/// `Side` x `Side` pixels, `dilation` apart; those outside of the image are a row of zeros, or one that nobody reads.
template <class T, std::int64_t Side>
std::array<T*, Side * Side> pixels_of(const WinogradTiles& tiles, const WinogradTiles::Place& place, T* images,
                                      std::int64_t channels, T* outside) {
  constexpr std::int64_t first = Side == 4 ? -1 : 0;
  std::array<T*, Side * Side> pixels;
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

// Each writes what one of the matrices of F(2,3) makes of a vector, whose elements lie `step` apart, to `to`.
template <class Number>
PULMOSEG_INLINE void input_vector(const Number* d, Number* to, int step) {
  to[0] = d[0] - d[2 * step];
  to[step] = d[step] + d[2 * step];
  to[2 * step] = d[2 * step] - d[step];
  to[3 * step] = d[step] - d[3 * step];
}

template <class Number>
PULMOSEG_INLINE void product_vector(const Number* m, Number* to, int step, int to_step) {
  to[0] = m[0] + m[step] + m[2 * step];
  to[to_step] = m[step] - m[2 * step] - m[3 * step];
}

template <class Number>
PULMOSEG_INLINE void gradient_vector(const Number* g, Number* to, int step, int to_step) {
  to[0] = g[0];
  to[to_step] = g[0] + g[step];
  to[2 * to_step] = g[0] - g[step];
  to[3 * to_step] = -g[step];
}

template <class Number>
PULMOSEG_INLINE void kernel_vector(const Number* g, Number* to, int step) {
  const Number outer = (g[0] + g[2 * step]) / 2, middle = g[step] / 2;
  to[0] = g[0];
  to[step] = outer + middle;
  to[2 * step] = outer - middle;
  to[3 * step] = g[2 * step];
}

template <class Number>
PULMOSEG_INLINE void kernel_gradient_vector(const Number* u, Number* to, int step) {
  const Number both = (u[step] + u[2 * step]) / 2;
  to[0] = u[0] + both;
  to[step] = (u[step] - u[2 * step]) / 2;
  to[2 * step] = both + u[3 * step];
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void input_tile(const std::array<const T*, 16>& pixels, std::int64_t channels,
                                            const std::array<T*, 16>& places) {
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    Number<T> d[16], half[16], v[16];
    for (int i = 0; i < 16; ++i) d[i] = load(pixels[static_cast<std::size_t>(i)][c]);
    for (int i = 0; i < 4; ++i) input_vector(d + i, half + i, 4);
    for (int i = 0; i < 4; ++i) input_vector(half + 4 * i, v + 4 * i, 1);
    for (int i = 0; i < 16; ++i) store(v[i], places[static_cast<std::size_t>(i)][c]);
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void product_tile(const std::array<const T*, 16>& places, std::int64_t channels,
                                              const std::array<T*, 4>& pixels) {
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    Number<T> m[16], half[8], y[4];
    for (int i = 0; i < 16; ++i) m[i] = load(places[static_cast<std::size_t>(i)][c]);
    for (int i = 0; i < 4; ++i) product_vector(m + i, half + i, 4, 4);
    for (int i = 0; i < 2; ++i) product_vector(half + 4 * i, y + 2 * i, 1, 1);
    for (int i = 0; i < 4; ++i) store(y[i], pixels[static_cast<std::size_t>(i)][c]);
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void gradient_tile(const std::array<const T*, 4>& pixels, std::int64_t channels,
                                               const std::array<T*, 16>& places) {
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    Number<T> g[4], half[8], m[16];
    for (int i = 0; i < 4; ++i) g[i] = load(pixels[static_cast<std::size_t>(i)][c]);
    for (int i = 0; i < 2; ++i) gradient_vector(g + i, half + i, 2, 2);
    for (int i = 0; i < 4; ++i) gradient_vector(half + 2 * i, m + 4 * i, 1, 1);
    for (int i = 0; i < 16; ++i) store(m[i], places[static_cast<std::size_t>(i)][c]);
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void kernel_places(const Number<T>* kernel, std::int64_t channels,
                                               const std::array<T*, 16>& places) {
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    Number<T> g[9], half[12], u[16];
    for (int i = 0; i < 9; ++i) g[i] = kernel[i * channels + c];
    for (int i = 0; i < 3; ++i) kernel_vector(g + i, half + i, 3);
    for (int i = 0; i < 4; ++i) kernel_vector(half + 3 * i, u + 4 * i, 1);
    for (int i = 0; i < 16; ++i) store(u[i], places[static_cast<std::size_t>(i)][c]);
  }
}

template <class T>
PULMOSEG_FOR_EACH_PROCESSOR void kernel_gradient(const std::array<const T*, 16>& places, std::int64_t channels,
                                                 Number<T>* kernel) {
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    Number<T> u[16], half[12], g[9];
    for (int i = 0; i < 16; ++i) u[i] = load(places[static_cast<std::size_t>(i)][c]);
    for (int i = 0; i < 4; ++i) kernel_gradient_vector(u + i, half + i, 4);
    for (int i = 0; i < 3; ++i) kernel_gradient_vector(half + 4 * i, g + 3 * i, 1);
    for (int i = 0; i < 9; ++i) kernel[i * channels + c] = g[i];
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
    input_tile<T>(pixels_of<const T, 4>(tiles, place, images, channels, zeros), channels,
                  places_of(planes, tiles.count() * channels, tile * channels, kernel));
  });
}

template <class T>
void transform_products(const WinogradTiles& tiles, const T* planes, std::int64_t channels, Kernel kernel, T* images) {
  for_each_tile<T>(tiles, channels, [&](std::int64_t tile, const WinogradTiles::Place& place, T* unread) {
    product_tile<T>(places_of(planes, tiles.count() * channels, tile * channels, kernel), channels,
                    pixels_of<T, 2>(tiles, place, images, channels, unread));
  });
}

template <class T>
void transform_gradient(const WinogradTiles& tiles, const T* images, std::int64_t channels, T* planes) {
  for_each_tile<T>(tiles, channels, [&](std::int64_t tile, const WinogradTiles::Place& place, const T* zeros) {
    gradient_tile<T>(pixels_of<const T, 2>(tiles, place, images, channels, zeros), channels,
                     places_of(planes, tiles.count() * channels, tile * channels));
  });
}

template <class T>
void transform_kernel(const Number<T>* kernels, std::int64_t count, std::int64_t channels, T* planes) {
  at::parallel_for(0, count, kernels_a_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      kernel_places<T>(kernels + i * 9 * channels, channels, places_of(planes, count * channels, i * channels));
  });
}

template <class T>
void transform_kernel_gradient(const T* planes, std::int64_t count, std::int64_t channels, Number<T>* kernels) {
  at::parallel_for(0, count, kernels_a_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      kernel_gradient<T>(places_of(planes, count * channels, i * channels), channels, kernels + i * 9 * channels);
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
