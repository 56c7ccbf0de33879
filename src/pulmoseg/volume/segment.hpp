#pragma once
// What a mask shows: its name, its colour and its meaning in codes, as segmentation files carry them.
//
// Codes: SNOMED CT as DICOM PS3.16 uses it (CID 7150 categories, CID 7151 and 7159 types, CID 244 laterality).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::volume {

struct Code {
  std::string value, scheme, meaning;
};

struct Segment {
  std::string name;
  Code category, type;
  std::optional<Code> type_modifier;
  std::optional<Code> anatomy;           ///< where it lies, unless `type` says it
  std::array<std::uint8_t, 3> colour{};  ///< sRGB; those of the pictures (report/overlay.cpp)
};

inline const Code lung_code{"39607008", "SCT", "Lung"};

inline Segment lesion_segment() {
  return {.name = "Lesion",
          .category = {"49755003", "SCT", "Morphologically Abnormal Structure"},
          .type = {"52988006", "SCT", "Lesion"},
          .type_modifier = {},
          .anatomy = lung_code,
          .colour = {0xe6, 0x9f, 0x00}};
}

/// Both, lesions included.
inline Segment lung_segment() {
  return {.name = "Lung",
          .category = {"91723000", "SCT", "Anatomical Structure"},
          .type = lung_code,
          .type_modifier = Code{"51440002", "SCT", "Right and left"},
          .anatomy = {},
          .colour = {0x56, 0xb4, 0xe9}};
}

}  // namespace pulmoseg::volume
