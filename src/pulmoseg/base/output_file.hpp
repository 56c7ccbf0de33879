#pragma once
// Files that appear whole or not at all, and folders that one run has to itself.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg {

/// A file in the making: bytes go to a hidden neighbour of `path`, commit() flushes it to disk and renames it into place.
/// Without commit() the neighbour is removed and an older file of that name stays as it was.
///
/// Errors: Error that names the file and the system's reason (full disk, no permission, folder missing).
/// Threads: one at a time.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  /// Overwrites bytes that were written before (a header whose counts are known last), or leaves a gap to fill later.
  void write_at(std::size_t offset, std::span<const std::byte> bytes);

  /// For libraries that write a file by its name: let them write this one, then commit().
  const std::filesystem::path& temporary_path() const { return temporary_; }

  void commit();

  /// commit() under another name in the same folder, for a file whose name is known when its content is.
  void commit_as(std::filesystem::path path);

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// Removes what killed processes left in `folder` of files whose names `is_meant` accepts; without it, of all. Nobody may be
/// writing one of them.
void remove_unfinished(const std::filesystem::path& folder,
                       const std::function<bool(const std::string&)>& is_meant = {});

/// `text` as the whole content of `path`, atomically.
void write_file(const std::filesystem::path& path, std::string_view text);

/// The whole content of `path`. Error when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Another run holds the folder's lock.
class FolderInUse : public Error {
 public:
  using Error::Error;
};

/// Creates `folder` (with its parents) and keeps every other pulmoseg process out of it until the lock is destroyed.
/// FolderInUse when another run holds it. The lock is the kernel's (fcntl's F_OFD_SETLK): a killed process leaves none behind.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  /// Shares it with processes that have another part of its work, and keeps out those that want all of it, the same part, or one
  /// that `overlaps` this part: it is asked of every other part that is at work. Of two that start together, both may be refused.
  FolderLock(const std::filesystem::path& folder, const std::string& part,
             const std::function<bool(const std::string& other)>& overlaps = {});
  FolderLock(FolderLock&& other) noexcept = default;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  struct Held {
    std::filesystem::path file;
    int descriptor = -1;
    bool alone = true;
  };
  FolderLock() = default;  // constructors go on from it: what one has taken before it fails is given back
  void take(const std::filesystem::path& folder, const std::string& name, bool alone);

  std::vector<Held> held_;
};

}  // namespace pulmoseg
