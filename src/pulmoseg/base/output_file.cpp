#include "pulmoseg/base/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <random>
#include <utility>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg {
namespace {

constexpr std::string_view unfinished = ".partial-";  // then who writes it, a dash, and the name

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what) {
  throw Error(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

/// Data that was renamed into place survives a power cut only when the folder's entry is on disk as well.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

/// Whether `descriptor` is still what `path` names.
bool is_file_of(int descriptor, const std::filesystem::path& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// The whole file, for the open file and not for the process.
struct flock lock_of(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

bool is_locked(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  auto lock = lock_of(F_RDLCK);
  const bool asked = ::fcntl(descriptor, F_OFD_GETLK, &lock) == 0;
  ::close(descriptor);
  return asked && lock.l_type != F_UNLCK;
}

constexpr std::string_view before_part = ".pulmoseg-", after_part = ".lock";

std::string lock_file_of(const std::string& part) { return fmt::format("{}{}{}", before_part, part, after_part); }

/// Of a name that lock_file_of gives.
std::optional<std::string> part_of(const std::string& file) {
  if (!file.starts_with(before_part) || !file.ends_with(after_part)) return std::nullopt;
  return file.substr(before_part.size(), file.size() - before_part.size() - after_part.size());
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)) {
  // The name ends as the final one does: some libraries choose the format by it.
  // Processes of two machines that share a folder, or of two containers, may have one number.
  temporary_ = folder_of(path_) /
               fmt::format("{}{}.{:08x}-{}", unfinished, ::getpid(), std::random_device()(), path_.filename().string());
  descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(path_, "cannot be written");
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void OutputFile::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes.data(), bytes.size()))); }

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, "cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::write_at(std::size_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, "cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
}

void OutputFile::commit() {
  // A library may have replaced the file by its name, so it is the name that is flushed and not our descriptor.
  const int written = ::open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
  if (written < 0) fail(path_, "cannot be written");
  const bool flushed = ::fsync(written) == 0;
  ::close(written);
  if (!flushed) fail(path_, "cannot be written to disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_, "cannot be put in place");
  ::close(std::exchange(descriptor_, -1));
  sync_folder(folder_of(path_));
}

void OutputFile::commit_as(std::filesystem::path path) {
  path_ = std::move(path);
  commit();
}

void remove_unfinished(const std::filesystem::path& folder, const std::function<bool(const std::string&)>& is_meant) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const auto dash = name.starts_with(unfinished) ? name.find('-', unfinished.size()) : std::string::npos;
    if (dash != std::string::npos && (!is_meant || is_meant(name.substr(dash + 1)))) files.push_back(entry.path());
  }
  std::error_code ignored;
  for (const auto& file : files) std::filesystem::remove(file, ignored);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw Error(fmt::format("{}: is a folder, expected a file", path.string()));
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail(path, "cannot be read");
  std::string text;
  for (std::array<char, 1 << 16> some; stream; text.append(some.data(), static_cast<std::size_t>(stream.gcount()))) {
    stream.read(some.data(), some.size());
  }
  if (stream.bad()) fail(path, "cannot be read");
  return text;
}

FolderLock::FolderLock(const std::filesystem::path& folder) : FolderLock() { take(folder, ".pulmoseg.lock", true); }

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& part,
                       const std::function<bool(const std::string& other)>& overlaps)
    : FolderLock() {
  take(folder, ".pulmoseg.lock", false);
  take(folder, lock_file_of(part), true);  // first, so that of two that start together at least one sees the other
  if (!overlaps) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto other = part_of(entry.path().filename().string());
    if (!other || *other == part || !overlaps(*other) || !is_locked(entry.path())) continue;
    throw FolderInUse(fmt::format(
        "{}: is in use by another run of pulmoseg, whose part {} overlaps {}; wait for it or choose another "
        "folder",
        folder.string(), *other, part));
  }
}

void FolderLock::take(const std::filesystem::path& folder, const std::string& name, bool alone) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot be created: {}", folder.string(), error.message()));
  held_.push_back({folder / name, -1, alone});
  auto& [file, descriptor, ignored] = held_.back();
  // Who holds it alone removes the file when done: a lock on a file that is gone by then is no lock, so look again.
  do {
    if (descriptor >= 0) ::close(descriptor);
    descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) fail(folder, "cannot be written");
    auto lock = lock_of(alone ? F_WRLCK : F_RDLCK);
    if (::fcntl(descriptor, F_OFD_SETLK, &lock) != 0) {
      const bool taken = errno == EAGAIN || errno == EACCES;
      ::close(std::exchange(descriptor, -1));
      if (!taken) fail(folder, "cannot be locked");
      throw FolderInUse(fmt::format("{}: is in use by another run of pulmoseg; wait for it or choose another folder",
                                    folder.string()));
    }
  } while (!is_file_of(descriptor, file));
}

FolderLock::~FolderLock() {
  for (const auto& [file, descriptor, alone] : held_) {
    if (descriptor < 0) continue;
    std::error_code ignored;
    if (alone) std::filesystem::remove(file, ignored);
    ::close(descriptor);
  }
}

}  // namespace pulmoseg
