#include "pulmoseg/volume/voxels.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace pulmoseg::volume {
namespace {

/// Calls `work` with a value of the C++ type that `type` stands for.
template <class Work>
auto with_type(VoxelType type, Work&& work) {
  switch (type) {
    case VoxelType::uint8: return work(std::uint8_t{});
    case VoxelType::int8: return work(std::int8_t{});
    case VoxelType::uint16: return work(std::uint16_t{});
    case VoxelType::int16: return work(std::int16_t{});
    case VoxelType::uint32: return work(std::uint32_t{});
    case VoxelType::int32: return work(std::int32_t{});
    case VoxelType::uint64: return work(std::uint64_t{});
    case VoxelType::int64: return work(std::int64_t{});
    case VoxelType::float32: return work(float{});
    case VoxelType::float64: break;
  }
  return work(double{});
}

template <class T>
bool fits(float value) {
  if constexpr (std::is_floating_point_v<T>) {
    return true;
  } else {
    // 2^bits is exact as float, the largest integer below it may not be. NaN fails both comparisons.
    constexpr auto limit = static_cast<float>(std::uint64_t{1} << (std::numeric_limits<T>::digits - 1)) * 2.0F;
    constexpr float lowest = std::is_signed_v<T> ? -limit : 0.0F;
    return value >= lowest && value < limit;
  }
}

template <class T>
T convert(float value) {
  if constexpr (std::is_floating_point_v<T>) {
    return value;
  } else {
    return static_cast<T>(value);  // rounded before
  }
}

/// `store` puts a pixel into a voxel; false: it does not fit.
template <class Pixel, class Store>
std::size_t scatter_any(std::span<const Pixel> pixels, const SliceLayout& layout, VoxelType type,
                        std::span<std::byte> stored, Store store) {
  return with_type(type, [&](auto example) {
    auto* voxels = reinterpret_cast<decltype(example)*>(stored.data());
    const Pixel* in = pixels.data();
    for (std::int64_t row = 0; row < layout.rows; ++row, in += layout.columns) {
      auto* out = voxels + layout.start + row * layout.row_step;
      for (std::int64_t column = 0; column < layout.columns; ++column) {
        if (!store(in[column], out[column * layout.column_step]))
          return static_cast<std::size_t>(row * layout.columns + column);
      }
    }
    return pixels.size();
  });
}

template <class Bits, class Swap>
void swap_each(std::byte* bytes, std::size_t count, Swap swap) {
  for (std::size_t i = 0; i < count; ++i, bytes += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes, sizeof bits);
    bits = swap(bits);
    std::memcpy(bytes, &bits, sizeof bits);
  }
}

}  // namespace

std::size_t size_of(VoxelType type) {
  return with_type(type, [](auto voxel) { return sizeof voxel; });
}

std::string_view name(VoxelType type) {
  constexpr std::array<std::string_view, 10> names{"uint8", "int8",   "uint16", "int16",   "uint32",
                                                   "int32", "uint64", "int64",  "float32", "float64"};
  return names[static_cast<std::size_t>(type)];
}

SliceLayout layout_in_volume(const std::array<std::int64_t, 3>& stored_size, const AxisOrder& order, std::int64_t k) {
  const std::array<std::ptrdiff_t, 3> stride{1, stored_size[0], stored_size[0] * stored_size[1]};
  std::array<std::ptrdiff_t, 3> step{};
  std::ptrdiff_t start = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto axis = static_cast<std::size_t>(order.axis[c]);
    step[c] = order.flipped[c] ? -stride[axis] : stride[axis];
    if (order.flipped[c]) start += (stored_size[axis] - 1) * stride[axis];
  }
  return {.rows = stored_size[static_cast<std::size_t>(order.axis[1])],
          .columns = stored_size[static_cast<std::size_t>(order.axis[0])],
          .start = start + k * step[2],
          .row_step = step[1],
          .column_step = step[0]};
}

SliceLayout layout_in_slice(const std::array<std::int64_t, 3>& stored_size, const AxisOrder& order) {
  return layout_in_volume({stored_size[0], stored_size[1], 1}, order, 0);
}

void gather(std::span<const std::byte> stored, VoxelType type, const SliceLayout& layout, double slope,
            double intercept, std::span<float> pixels) {
  const bool scaled = slope != 1 || intercept != 0;
  with_type(type, [&](auto voxel) {
    using Voxel = decltype(voxel);
    const auto* voxels = reinterpret_cast<const Voxel*>(stored.data());
    float* out = pixels.data();
    for (std::int64_t row = 0; row < layout.rows; ++row, out += layout.columns) {
      const Voxel* in = voxels + layout.start + row * layout.row_step;
      if (scaled) {
        for (std::int64_t column = 0; column < layout.columns; ++column) {
          out[column] = static_cast<float>(slope * static_cast<double>(in[column * layout.column_step]) + intercept);
        }
      } else {
        for (std::int64_t column = 0; column < layout.columns; ++column) {
          out[column] = static_cast<float>(in[column * layout.column_step]);
        }
      }
    }
  });
}

std::size_t scatter(std::span<const float> pixels, const SliceLayout& layout, VoxelType type,
                    std::span<std::byte> stored) {
  return scatter_any(pixels, layout, type, stored, [](float pixel, auto& voxel) {
    using Voxel = std::remove_reference_t<decltype(voxel)>;
    const float value = std::is_floating_point_v<Voxel> ? pixel : std::nearbyint(pixel);
    if (!fits<Voxel>(value)) return false;
    voxel = convert<Voxel>(value);
    return true;
  });
}

std::size_t scatter(std::span<const std::uint8_t> pixels, const SliceLayout& layout, VoxelType type,
                    std::span<std::byte> stored) {
  return scatter_any(pixels, layout, type, stored, [](std::uint8_t pixel, auto& voxel) {
    using Voxel = std::remove_reference_t<decltype(voxel)>;
    voxel = static_cast<Voxel>(pixel);
    return std::cmp_equal(pixel, static_cast<std::int64_t>(voxel));
  });
}

void swap_bytes(std::span<std::byte> stored, VoxelType type) {
  const std::size_t voxels = stored.size() / size_of(type);
  std::byte* bytes = stored.data();
  switch (size_of(type)) {
    case 2: return swap_each<std::uint16_t>(bytes, voxels, [](std::uint16_t x) { return __builtin_bswap16(x); });
    case 4: return swap_each<std::uint32_t>(bytes, voxels, [](std::uint32_t x) { return __builtin_bswap32(x); });
    case 8: return swap_each<std::uint64_t>(bytes, voxels, [](std::uint64_t x) { return __builtin_bswap64(x); });
    default: return;
  }
}

}  // namespace pulmoseg::volume
