#pragma once
// A ZIP archive, unpacked for as long as it is needed (libarchive behind). Internal to volume/.

#include <filesystem>
#include <memory>

namespace pulmoseg::volume {

/// By its first bytes.
bool looks_like_zip(const std::filesystem::path& file);

/// A private folder with the files of an archive, in TMPDIR or /tmp; removed with all it holds when the last owner goes.
class UnpackedZip {
 public:
  /// Hidden files, links and all that is no plain file are left out. Error that names the archive: one that is damaged, encrypted,
  /// or leads out of its folder; one of more than 100 000 files, 64 GiB, or (beyond 256 MiB) 200 times its own size.
  explicit UnpackedZip(const std::filesystem::path& archive);
  UnpackedZip(const UnpackedZip&) = delete;
  UnpackedZip& operator=(const UnpackedZip&) = delete;
  ~UnpackedZip();

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace pulmoseg::volume
