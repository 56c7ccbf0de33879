#pragma once
// A DICOM file (PS3.10) by its identifiers. Internal to pacs/.

#include <filesystem>
#include <optional>
#include <string>

namespace pulmoseg::pacs {

struct InstanceFile {
  std::filesystem::path file;
  std::string sop_class, sop_instance, transfer_syntax;  ///< UIDs
  bool compressed = false;                               ///< its pixels are encapsulated
};

/// Nothing when `file` lacks the mark of a DICOM file. Error when it is cut, lacks an identifier or was made to end
/// the program that reads it.
std::optional<InstanceFile> read_instance(const std::filesystem::path& file);

}  // namespace pulmoseg::pacs
