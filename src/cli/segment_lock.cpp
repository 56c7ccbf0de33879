#include "segment_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

class LockFile {
 public:
  LockFile(const fs::path& file, int flags) : descriptor_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {
    if (descriptor_ < 0 && errno != ENOENT)
      throw Error(fmt::format("{}: cannot be opened: {}", file.string(), std::strerror(errno)));
  }
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;
  ~LockFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  bool lock(int how) { return descriptor_ >= 0 && ::flock(descriptor_, how) == 0; }
  bool is_held_by_another() { return descriptor_ >= 0 && !lock(LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK; }

 private:
  int descriptor_;
};

/// Of ".pulmoseg-2-of-8.lock", as FolderLock names it; nullopt for other files.
std::optional<Shard> shard_of(const std::string& file) {
  constexpr std::string_view begin = ".pulmoseg-", middle = "-of-", end = ".lock";
  const auto split = file.find(middle);
  if (!file.starts_with(begin) || !file.ends_with(end) || split == std::string::npos) return std::nullopt;
  const auto part = [&](std::size_t from, std::size_t to) { return file.substr(from, to - from); };
  try {
    return Shard::parse(part(begin.size(), split) + '/' + part(split + middle.size(), file.size() - end.size()));
  } catch (const UsageError&) {
    return std::nullopt;
  }
}

void refuse_shared_cases(const fs::path& folder, const Shard& mine) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto other = shard_of(entry.path().filename().string());
    if (!other || !mine.shares_cases_with(*other) || !LockFile(entry.path(), O_RDWR).is_held_by_another()) continue;
    throw FolderInUse(
        fmt::format("{}: is in use by another run of pulmoseg, shard {}, which has cases of shard {} too; wait for it, "
                    "or choose another folder or one number of shards",
                    folder.string(), other->name(), mine.name()));
  }
}

}  // namespace

FolderLock lock_for(const SegmentPlan& plan) {
  if (plan.shard.count == 1) return FolderLock(plan.folder);
  std::error_code error;
  fs::create_directories(plan.folder, error);
  if (error) throw Error(fmt::format("{}: cannot be created: {}", plan.folder.string(), error.message()));
  LockFile turn(plan.folder / ".pulmoseg-shards.lock",
                O_RDWR | O_CREAT);  // of two that start together, one sees the other
  while (!turn.lock(LOCK_EX)) {
    if (errno != EINTR)
      throw Error(fmt::format("{}: cannot be locked: {}", plan.folder.string(), std::strerror(errno)));
  }
  refuse_shared_cases(plan.folder, plan.shard);
  return FolderLock(plan.folder, plan.shard.name());
}

}  // namespace pulmoseg::cli
