#pragma once
// What a file or folder is called by itself.

#include <filesystem>
#include <string>

namespace pulmoseg {

/// The name without the folders before it, which may hold a patient's name; also of "runs/a/" and ".".
inline std::string own_name(const std::filesystem::path& path) {
  const auto whole = std::filesystem::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

}  // namespace pulmoseg
