#pragma once
// Files that can be made again, kept so that they need not be.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <istream>
#include <ostream>
#include <string>

namespace pulmoseg {

/// A folder with the files that were used last. Files appear whole or not at all, so any number of processes may share it.
/// Whatever goes wrong with it (a full disk, no permission) is not worth an error: the file is then made again the next time.
class FileCache {
 public:
  /// Keeps files of at most `most_bytes` together in `folder`, which is made when the first is kept. An empty path: nothing.
  FileCache(std::filesystem::path folder, std::uintmax_t most_bytes);

  /// Hands over what was kept as `key`, a line of text that says all that the file depends on. False: there is nothing, or `read`
  /// gave false for it (it is of no use).
  bool find(const std::string& key, const std::function<bool(std::istream&)>& read) const;

  void keep(const std::string& key, const std::function<void(std::ostream&)>& write) const;

 private:
  std::filesystem::path file_of(const std::string& key) const;
  void drop_oldest() const;

  std::filesystem::path folder_;
  std::uintmax_t most_bytes_;
};

}  // namespace pulmoseg
