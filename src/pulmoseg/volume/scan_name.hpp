#pragma once
// What a scan, and a mask of it, is called: the file without folder and ending.

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::volume {

/// In any case (.NII.GZ), behind at least one other character.
inline bool has_ending(std::string_view name, std::string_view ending) {
  return name.size() > ending.size() && lower(std::string(name.substr(name.size() - ending.size()))) == ending;
}

inline constexpr std::array<std::string_view, 4> volume_endings{".nii.gz", ".nii", ".nrrd", ".nhdr"};

/// NIfTI or NRRD, by its name.
inline bool is_volume_file(const std::filesystem::path& file) {
  const std::string name = own_name(file);
  return std::ranges::any_of(volume_endings, [&](std::string_view ending) { return has_ending(name, ending); });
}

/// "scan" for scan.nii.gz, scan.nii, scan.nrrd and scan.zip, for the DICOM folder scan/ and for scan/DICOMDIR.
inline std::string scan_name(const std::filesystem::path& file_or_folder) {
  std::string name = own_name(file_or_folder);
  if (name == "DICOMDIR" && file_or_folder.has_parent_path()) name = own_name(file_or_folder.parent_path());
  if (has_ending(name, ".zip")) return name.substr(0, name.size() - 4);
  for (const std::string_view ending : volume_endings) {
    if (has_ending(name, ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

/// The name of the scan that a mask belongs to, by its own: also "scan" for 3D Slicer's scan.seg.nrrd.
inline std::string mask_name(const std::filesystem::path& file_or_folder) {
  std::string name = scan_name(file_or_folder);
  if (has_ending(name, ".seg")) name.resize(name.size() - 4);
  return name;
}

}  // namespace pulmoseg::volume
