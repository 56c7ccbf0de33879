#pragma once
// What `pulmoseg segment` is going to write, decided before anything is computed.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "segment_inputs.hpp"

namespace pulmoseg::cli {

struct SegmentCase {
  std::filesystem::path input;
  std::vector<std::filesystem::path>
      files;  ///< what is read: `input`, all DICOM files of which it is the first, or `fetched`
  std::filesystem::path fetched =
      {};              ///< folder for what `input`, an address, names, while it is needed; empty: a file
  std::string series;  ///< which DICOM series; "": the only CT volume
  std::optional<std::filesystem::path> lung_mask;
  std::string name;  ///< of its results; no two cases share one
  std::filesystem::path mask, measurements, picture, report;
  /// Of the model's own lung; empty: it knows none, or a lung mask is given. In formats with several segments a file, the mask.
  std::filesystem::path lung;
  std::filesystem::path probabilities, uncertainty;  ///< empty when not asked for
  std::string format;                                ///< of the masks
  std::filesystem::path structured_report;           ///< DICOM SR; empty: another format
  std::filesystem::path source_copies;               ///< folder; empty: the UIDs stay
  bool deidentify = false;
  std::string push_to = {};                ///< address of the server that gets the DICOM objects; "": none
  std::filesystem::path push_record = {};  ///< what it took; empty: another format
};

/// Every file that the case is going to have.
std::vector<std::filesystem::path> results_of(const SegmentCase& planned);

/// Every count-th case, from the index-th on.
struct Shard {
  std::int64_t index = 1, count = 1;  ///< 1 <= index <= count

  /// "2/8". UsageError for anything else.
  static Shard parse(const std::string& text);
  std::string name() const;  ///< "2-of-8"
  static std::optional<Shard> named(const std::string& name);
  bool shares_cases_with(const Shard& other) const;  ///< if there are cases enough
};

struct SegmentPlan {
  std::filesystem::path folder;   ///< of the results
  std::string format = "nii.gz";  ///< of masks and probabilities; "dicom-seg" and "seg.nrrd" have all masks in one file
  bool deidentify = false, new_uids = false;  ///< of "dicom-seg"
  bool lung = false;                          ///< the model knows the lung
  bool probabilities = false, uncertainty = false;
  std::string series = {};  ///< of DICOM inputs: which one, by number, UID or description; "": the only CT volume
  std::optional<std::string> push =
      {};  ///< address of the server that gets the DICOM objects; "": whence the study came
  bool overwrite = false;
  bool resume = false;  ///< cases whose measurements are there are done, whatever else is there of others is replaced
  Shard shard = {};
};

struct PlannedCases {
  std::vector<SegmentCase> to_do, done;
};

/// The shard's share of the cases, in the order of the inputs. A name that is taken gets a number ("ct", "ct_2"), the same one
/// in every shard.
/// UsageError when the options do not fit the format or the inputs, an input is named twice or a result would replace an input; Error when a result exists and may neither be
/// overwritten nor resumed.
PlannedCases plan_cases(const std::vector<SegmentInput>& inputs, const SegmentPlan& plan);

}  // namespace pulmoseg::cli
