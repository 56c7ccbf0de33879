#pragma once
// The picture archives of `pulmoseg segment`: studies out of them, results into them.

#include <filesystem>
#include <functional>
#include <mutex>
#include <stop_token>

#include "pacs_options.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// A folder that holds a patient's scan for a while. What a killed run left there is removed at once, the folder at the end.
class FetchedFolder {
 public:
  explicit FetchedFolder(std::filesystem::path folder = {});  ///< empty: none
  FetchedFolder(FetchedFolder&& other) noexcept;
  FetchedFolder& operator=(FetchedFolder&&) = delete;
  ~FetchedFolder();

 private:
  std::filesystem::path folder_;
};

/// Errors: those of pacs::Archive, which name the study. Threads: as you like; one is served, the others wait.
class SegmentArchives {
 public:
  explicit SegmentArchives(PacsOptions options) : options_(std::move(options)) {}

  /// The CT series of the study that planned.input names, into planned.fetched; where planned.series is given, those that may be
  /// meant by it. Nothing for a scan on disk. Error when there are none.
  FetchedFolder fetch(const SegmentCase& planned, const std::stop_token& stop,
                      const std::function<void(std::size_t done, std::size_t total)>& on_arrived);

  /// Stores the DICOM objects of a finished case where planned.push_to says, and then writes planned.push_record.
  /// Error, which says what to do, when one is missing or was refused.
  void push(const SegmentCase& planned);

 private:
  PacsOptions options_;
  std::mutex one_at_a_time_;
};

/// Whether planned.push_to lacks the objects of a finished case.
bool is_to_be_pushed(const SegmentCase& planned);

}  // namespace pulmoseg::cli
