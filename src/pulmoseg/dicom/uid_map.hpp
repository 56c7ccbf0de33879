#pragma once
// New UIDs.

#include <filesystem>
#include <string>
#include <string_view>

namespace pulmoseg::dicom {

/// A UID that nobody has used: "2.25." and a random UUID (PS3.5, B.2).
std::string new_uid();

/// One UID for each, the same one each time: "2.25." and a UUID out of the SHA-256 of key and UID (RFC 9562, version 8). Who has
/// not the key can neither go back nor find out whether a known UID is meant.
/// Threads: any.
class UidMap {
 public:
  explicit UidMap(std::string key) : key_(std::move(key)) {}

  /// With the key in `folder`/uids.key, which is made, of 32 random bytes and readable by its owner only, if there is none: all
  /// runs into one folder, also those at the same time, give a UID the same new one.
  /// Error for a key that cannot be read or written, or is none.
  static UidMap of_folder(const std::filesystem::path& folder);

  std::string operator()(std::string_view uid) const;

 private:
  std::string key_;
};

}  // namespace pulmoseg::dicom
