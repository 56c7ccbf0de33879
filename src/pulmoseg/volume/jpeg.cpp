#include "pulmoseg/volume/jpeg.hpp"

namespace pulmoseg::volume {
namespace {

bool begins_frame(int marker) {  // SOF0 to SOF15; between them are DHT, JPG and DAC (B.1.1.3)
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

}  // namespace

std::optional<JpegSize> jpeg_size(std::span<const std::byte> bytes) {
  const auto byte = [&](std::size_t at) { return std::to_integer<int>(bytes[at]); };
  const auto word = [&](std::size_t at) { return byte(at) << 8 | byte(at + 1); };
  std::size_t at = 2;  // behind SOI
  while (at + 9 <= bytes.size() && byte(at) == 0xff) {
    const int marker = byte(at + 1);
    if (begins_frame(marker)) return JpegSize{.rows = word(at + 5), .columns = word(at + 7)};
    at += marker == 0xff ? 1 : 2 + static_cast<std::size_t>(word(at + 2));  // 0xff may be repeated
  }
  return std::nullopt;
}

}  // namespace pulmoseg::volume
