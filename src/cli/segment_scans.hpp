#pragma once
// The scans of `pulmoseg segment`, each made ready while the one before is worked on.

#include <atomic>
#include <future>
#include <stop_token>
#include <vector>

#include "pulmoseg/volume/volume_reader.hpp"
#include "segment_archive.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

struct OpenedScan {
  FetchedFolder folder;  ///< outlives the reader
  volume::VolumeReader reader;
};

/// The scans of cases in their order: each is fetched from its archive while the one before is in the network, opened, and what
/// may be kept of it read, while that one is written.
/// Threads: one at a time.
class ScansAhead {
 public:
  /// Both outlive it.
  ScansAhead(const std::vector<SegmentCase>& cases, SegmentArchives& archives);
  ScansAhead(const ScansAhead&) = delete;
  ScansAhead& operator=(const ScansAhead&) = delete;
  ~ScansAhead() { ended_.request_stop(); }  // before the future waits

  void begin_next();  ///< once the network is done with the scan that was taken last

  /// Of `planned`, which is the next case. Throws what was wrong with it.
  OpenedScan take(const SegmentCase& planned);

 private:
  void begin_fetch();
  FetchedFolder fetch(const SegmentCase& planned);
  OpenedScan open(const SegmentCase& planned);
  void show_arriving(const SegmentCase& planned) const;

  const std::vector<SegmentCase>& cases_;
  SegmentArchives& archives_;
  std::size_t next_ = 0;
  std::stop_source ended_;
  std::stop_callback<std::function<void()>> on_ctrl_c_;
  std::atomic<std::int64_t> arrived_ = 0, expected_ = 0;  ///< instances of the series that is fetched
  std::future<FetchedFolder> fetched_;                    ///< of the next case, where it was begun
  std::future<OpenedScan> coming_;
};

}  // namespace pulmoseg::cli
