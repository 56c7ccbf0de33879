#pragma once
// What a scan is called: its file without folder and ending.

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>

#include "pulmoseg/base/own_name.hpp"

namespace pulmoseg::volume {

/// "scan" for scan.nii.gz, scan.nii, scan.nrrd and scan.zip, for the DICOM folder scan/ and for scan/DICOMDIR. Endings count in any
/// case (.NII.GZ).
inline std::string scan_name(const std::filesystem::path& file_or_folder) {
  std::string name = own_name(file_or_folder);
  if (name == "DICOMDIR" && file_or_folder.has_parent_path()) name = own_name(file_or_folder.parent_path());
  for (const std::string_view ending : {".nii.gz", ".nii", ".nrrd", ".nhdr", ".zip"}) {
    if (name.size() <= ending.size()) continue;
    const std::string_view last = std::string_view(name).substr(name.size() - ending.size());
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    if (std::ranges::equal(last, ending, {}, lower)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

}  // namespace pulmoseg::volume
