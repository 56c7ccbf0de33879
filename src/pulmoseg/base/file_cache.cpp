#include "pulmoseg/base/file_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <functional>
#include <utility>
#include <vector>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg {
namespace {

namespace fs = std::filesystem;

constexpr const char* ending = ".kept";

}  // namespace

FileCache::FileCache(fs::path folder, std::uintmax_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes) {}

fs::path FileCache::file_of(const std::string& key) const {
  return folder_ / fmt::format("{:016x}{}", std::hash<std::string>{}(key), ending);
}

bool FileCache::find(const std::string& key, const std::function<bool(std::istream&)>& read) const {
  if (folder_.empty()) return false;
  const fs::path file = file_of(key);
  std::ifstream stream(file, std::ios::binary);
  // The key stands in the first line: names of files are hashes, and two keys may share one.
  if (std::string first; !std::getline(stream, first) || first != key) return false;
  if (!read(stream)) return false;
  std::error_code ignored;
  fs::last_write_time(file, fs::file_time_type::clock::now(), ignored);
  return true;
}

void FileCache::keep(const std::string& key, const std::function<void(std::ostream&)>& write) const {
  if (folder_.empty()) return;
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  try {
    OutputFile file(file_of(key));
    std::ofstream stream(file.temporary_path(), std::ios::binary);
    stream << key << '\n';
    write(stream);
    stream.close();
    if (!stream) return;
    file.commit();
    drop_oldest();
  } catch (const std::exception&) {  // as the header says
  }
}

void FileCache::drop_oldest() const {
  std::vector<fs::directory_entry> files;
  const auto hour_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() != ending) continue;
    if (!entry.path().filename().string().starts_with('.'))
      files.push_back(entry);
    else if (entry.last_write_time() < hour_ago)  // whoever was writing it was killed
      fs::remove(entry.path());
  }
  std::ranges::sort(files, std::greater(), [](const auto& file) { return file.last_write_time(); });
  std::uintmax_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.file_size();
    if (bytes > most_bytes_) fs::remove(file.path());
  }
}

}  // namespace pulmoseg
