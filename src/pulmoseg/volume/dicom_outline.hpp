#pragma once
// The outline of a DICOM file, found without GDCM: a Debian build of GDCM ends the program (by an assertion) on most
// files that are cut inside of their header, and fills up with zeros the pixels that are missing. Internal to volume/.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace pulmoseg::volume {

struct DicomOutline {
  bool whole = false;     ///< no element is cut; what follows counts only then
  std::string sop_class;  ///< UID: what kind of object it is
  std::string series;     ///< UID
  bool has_pixels = false;
  std::optional<std::size_t> pixel_bytes;  ///< in the file; nothing when they are compressed
};

/// Nothing for a file that is no DICOM file. One without the mark "DICM" (which is allowed to be missing in old files)
/// counts only when it is whole. Follows DICOM PS3.5 (chapter 7, annex A) and PS3.10 (chapter 7).
std::optional<DicomOutline> read_dicom_outline(const std::filesystem::path& file);

}  // namespace pulmoseg::volume
