#pragma once
// JPEG 2000 images of one component (OpenJPEG behind). Internal to volume/.

#include <cstddef>
#include <cstdint>
#include <span>

namespace pulmoseg::volume {

/// Decodes a code stream (ISO/IEC 15444-1), bare as DICOM has it or in a JP2 file, into rows x columns samples. False when it is
/// damaged, of another size, or not of one component.
bool decode_jpeg2000(std::span<const std::byte> bytes, int rows, int columns, std::span<std::int32_t> samples);

}  // namespace pulmoseg::volume
