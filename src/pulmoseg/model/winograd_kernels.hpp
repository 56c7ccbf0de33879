#pragma once
// The loops behind winograd.cpp. Images are N x H x W x channels, channels fastest, in the number format T (float, double, or
// bfloat16 as its bits). A transform has sixteen planes, one a place in a 4x4 tile: 16 x tiles x channels.

#include <cstdint>
#include <vector>

#include "pulmoseg/model/vector_loops.hpp"

namespace pulmoseg::model::kernels {

/// The tiles of a grid: each makes 2x2 pixels, `dilation` apart, from the 4x4 around them. Pixels outside of the image are 0,
/// and what is made there is forgotten.
struct WinogradTiles {
  struct Place {
    std::int64_t image, row, column;  ///< of the first of the 2x2 pixels
  };
  std::int64_t rows, columns, dilation;
  std::vector<Place> places;

  std::int64_t count() const { return static_cast<std::int64_t>(places.size()); }
};
WinogradTiles winograd_tiles(std::int64_t images, std::int64_t rows, std::int64_t columns, std::int64_t dilation);

/// Which way round the kernel is that the planes meet. In the gradient of the images it is turned by 180 degrees; this
/// exchanges planes, so that the kernel's own need not be made again.
enum class Kernel { upright, turned };

/// B' d B of the 4x4 pixels of each tile: what the convolution looks at.
template <class T>
void transform_input(const WinogradTiles& tiles, const T* images, std::int64_t channels, Kernel kernel, T* planes);

/// A' m A: sixteen products into the 2x2 pixels of each tile.
template <class T>
void transform_products(const WinogradTiles& tiles, const T* planes, std::int64_t channels, Kernel kernel, T* images);

/// A g A', the adjoint of transform_products: the gradient of the 2x2 pixels into that of the sixteen products.
template <class T>
void transform_gradient(const WinogradTiles& tiles, const T* images, std::int64_t channels, T* planes);

/// G g G': kernels, O x 3 x 3 x C, into planes 16 x O x C.
template <class T>
void transform_kernel(const Number<T>* kernels, std::int64_t count, std::int64_t channels, T* planes);

/// Its adjoint: the gradient of the planes into that of the kernels.
template <class T>
void transform_kernel_gradient(const T* planes, std::int64_t count, std::int64_t channels, Number<T>* kernels);

}  // namespace pulmoseg::model::kernels
