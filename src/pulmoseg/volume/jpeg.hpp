#pragma once
// What a JPEG code stream says of its image. Internal to volume/.

#include <cstddef>
#include <optional>
#include <span>

namespace pulmoseg::volume {

struct JpegSize {
  int rows = 0, columns = 0;
  bool operator==(const JpegSize&) const = default;
};

/// By its frame header (ITU-T T.81, B.2.2). Nothing when none is to be found.
std::optional<JpegSize> jpeg_size(std::span<const std::byte> bytes);

}  // namespace pulmoseg::volume
