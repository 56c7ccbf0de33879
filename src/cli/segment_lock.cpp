#include "segment_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "common.hpp"
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

/// Locks of shards are taken and looked at by one process at a time, so that nobody takes a look for a lock. Held for a moment.
class Turn {
 public:
  explicit Turn(const fs::path& folder) : file_(folder / ".pulmoseg-shards.lock", O_RDWR | O_CREAT) {
    while (!file_.lock(LOCK_EX | LOCK_NB)) {
      if (errno != EWOULDBLOCK && errno != EINTR)
        throw Error(fmt::format("{}: cannot be locked: {}", folder.string(), std::strerror(errno)));
      stop_if_asked();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

 private:
  LockFile file_;
};

FolderLock take(const SegmentPlan& plan) {
  const Turn turn(plan.folder);
  return {plan.folder, plan.shard.name()};
}

void refuse_shared_cases(const fs::path& folder, const Shard& mine) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto other = shard_of(entry.path().filename().string());
    if (!other || other->name() == mine.name() || !mine.shares_cases_with(*other)) continue;
    const Turn turn(folder);
    if (!LockFile(entry.path(), O_RDWR).is_held_by_another()) continue;
    throw FolderInUse(
        fmt::format("{}: is in use by another run of pulmoseg, whose shard {}/{} may have cases of {}/{} too; wait for "
                    "it, choose another folder, or give all jobs the same n in --shard i/n",
                    folder.string(), other->index, other->count, mine.index, mine.count));
  }
}

}  // namespace

FolderLock lock_for(const SegmentPlan& plan) {
  if (plan.shard.count == 1) return FolderLock(plan.folder);
  std::error_code error;
  fs::create_directories(plan.folder, error);
  if (error) throw Error(fmt::format("{}: cannot be created: {}", plan.folder.string(), error.message()));
  FolderLock lock = take(plan);  // first, so that of two that start together at least one sees the other
  refuse_shared_cases(plan.folder, plan.shard);
  return lock;
}

}  // namespace pulmoseg::cli
