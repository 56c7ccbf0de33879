#pragma once
// Which series stand in a folder, a ZIP, a DICOMDIR or a list of DICOM files, and which of them is the CT volume.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::volume {

struct DicomFile;

/// What a series is good for. Only volumes are taken without being asked for; a derived one (reformatted, a projection) only
/// where there is no other.
enum class DicomSeriesKind { volume, derived, other };

/// Images (or reports …) with one SeriesInstanceUID. Localizers that share the UID of a volume are a series of their own here.
struct DicomSeries {
  DicomSeriesKind kind = DicomSeriesKind::other;
  std::string why_not;               ///< why it is not taken, e.g. "localizer", "modality SR"; "" for a volume
  std::string series_uid;            ///< SeriesInstanceUID
  std::optional<int> number;         ///< SeriesNumber
  std::string description;           ///< SeriesDescription; may be ""
  std::int64_t images = 0;           ///< slices; frames of multi-frame files are counted
  int rows = 0, columns = 0;         ///< of the first image; 0: it has no pixels
  std::optional<double> spacing[3];  ///< mm between columns, rows, slices
  std::map<std::string, std::string> attributes;  ///< of the first file, as SourceInfo::attributes
  std::vector<std::filesystem::path> files;       ///< exist as long as this object or a copy of it
  std::vector<std::string> damaged;     ///< a line for each file that is, or may be, of this series and is damaged
  std::filesystem::path source;         ///< what was searched
  std::string shown;                    ///< the same for people
  std::vector<std::string> left_aside;  ///< names of files that are no DICOM files

  std::vector<std::shared_ptr<const DicomFile>> headers;  ///< for VolumeReader
  std::shared_ptr<const void> keeps;                      ///< holds the files of a ZIP
};

/// All series of what is named, volumes first, then by number: folders (with all that is in them), ZIP files, a DICOMDIR (the files
/// that it names), DICOM files. What a file is, its content decides. Hidden files are passed over. Headers only are read, but each
/// file is seen whole.
/// Error for a path that does not exist, a ZIP or DICOMDIR that is damaged, and where there is nothing in DICOM at all.
std::vector<DicomSeries> find_dicom_series(const std::vector<std::filesystem::path>& paths);
std::vector<DicomSeries> find_dicom_series(const std::filesystem::path& path);

/// The one that is meant. `wanted` is a SeriesNumber, a SeriesInstanceUID or a part of the description (in any case); "": the only
/// volume, or the only derived one where there is no volume. Error that lists the series when none or several are.
const DicomSeries& choose_dicom_series(const std::vector<DicomSeries>& found, const std::string& wanted = "");

/// One line: "3 \"Lung 1.0\": 412 slices, 0.7x0.7x1 mm, 1.2.840...".
std::string describe(const DicomSeries& series);

bool is_dicom_file(const std::filesystem::path& file);   ///< by the mark at its begin; a DICOMDIR is one, too
bool may_hold_dicom(const std::filesystem::path& file);  ///< a DICOM file or a ZIP, by the first bytes

}  // namespace pulmoseg::volume
