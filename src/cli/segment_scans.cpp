#include "segment_scans.hpp"

#include <chrono>
#include <optional>
#include <stdexcept>

#include "common.hpp"
#include "segment_case.hpp"

namespace pulmoseg::cli {

ScansAhead::ScansAhead(const std::vector<SegmentCase>& cases, SegmentArchives& archives)
    : cases_(cases), archives_(archives), on_ctrl_c_(stop_token(), [this] { ended_.request_stop(); }) {
  begin_next();
}

void ScansAhead::begin_next() {
  if (next_ == cases_.size() || coming_.valid()) return;
  coming_ = std::async(parallel, [this, &planned = cases_[next_]] { return open(planned); });
  ++next_;
}

OpenedScan ScansAhead::take(const SegmentCase& planned) {
  begin_next();
  if (&planned != &cases_[next_ - 1]) throw std::logic_error("scans are taken in the order of their cases");
  show_arriving(planned);
  OpenedScan scan = coming_.get();
  begin_fetch();
  return scan;
}

void ScansAhead::begin_fetch() {
  if (next_ == cases_.size() || cases_[next_].fetched.empty()) return;
  fetched_ = std::async(parallel, [this, &planned = cases_[next_]] { return fetch(planned); });
}

FetchedFolder ScansAhead::fetch(const SegmentCase& planned) {
  expected_ = 0;
  return archives_.fetch(planned, ended_.get_token(), [this](std::size_t arrived, std::size_t expected) {
    arrived_ = static_cast<std::int64_t>(arrived);
    expected_ = static_cast<std::int64_t>(expected);
  });
}

OpenedScan ScansAhead::open(const SegmentCase& planned) {
  FetchedFolder folder = fetched_.valid() ? fetched_.get() : fetch(planned);
  auto reader = volume::VolumeReader::open(planned.files, {.kept_bytes = kept_scan_bytes, .series = planned.series});
  reader.read_ahead([this] { return !ended_.stop_requested(); });
  return {std::move(folder), std::move(reader)};
}

/// Here, and not where the instances arrive: that may be while the progress of another case is drawn.
void ScansAhead::show_arriving(const SegmentCase& planned) const {
  if (planned.fetched.empty()) return;
  std::optional<Progress> progress;
  std::int64_t shown = 0;
  while (coming_.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout) {
    const std::int64_t expected = expected_;
    if (expected == 0) continue;
    if (shown != expected) progress.emplace("fetch " + planned.name, shown = expected);
    progress->update(arrived_, "instances,");
  }
}

}  // namespace pulmoseg::cli
