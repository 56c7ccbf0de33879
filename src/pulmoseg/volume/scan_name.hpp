#pragma once
// What a scan is called: its file without folder and ending.

#include <filesystem>
#include <string>
#include <string_view>

namespace pulmoseg::volume {

/// "scan" for scan.nii.gz, scan.nii and scan.nrrd, and for the DICOM folder scan/.
inline std::string scan_name(const std::filesystem::path& file_or_folder) {
  const auto whole = std::filesystem::absolute(file_or_folder).lexically_normal();
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  for (const std::string_view ending : {".nii.gz", ".nii", ".nrrd", ".nhdr"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

}  // namespace pulmoseg::volume
