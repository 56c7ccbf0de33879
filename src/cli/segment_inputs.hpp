#pragma once
// Which scans `pulmoseg segment` is asked for: files, DICOM folders, ZIP files and DICOMDIRs, folders full of these, studies in
// picture archives, and lists.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::cli {

struct SegmentInput {
  std::filesystem::path scan;  ///< of DICOM files that are one series, the first; of a study in an archive, its address
  std::string name;            ///< of its results; not yet unique
  std::optional<std::filesystem::path> lung_mask = {};
  std::vector<std::filesystem::path> files = {};  ///< several DICOM files that are one series: all of them
  std::string archive = {};                       ///< address of the server that has the study; "": `scan` is on disk
};

/// In the order in which they are named; what is found in a folder, by path. A folder with a NIfTI or NRRD file in it, or with
/// nothing but folders, is searched through, `results` left out, and DICOM folders without images of a CT volume (localizers,
/// reports …) with a warning; any other folder is a DICOM series. DICOM files of one folder that are named are one series. An
/// address (pacs::is_address()) is one scan, named by the UID of its series or study; nobody is asked whether it is there. A .csv
/// has a column "image", and may have "case" (the name) and "lung_mask"; its paths start at its own folder.
/// UsageError for an address without a study, when the numbers of inputs and lung masks differ, or a lung mask is given for a folder or a list; Error for a
/// folder without scans and a list that cannot be read.
std::vector<SegmentInput> find_inputs(const std::vector<std::filesystem::path>& inputs,
                                      const std::vector<std::filesystem::path>& lung_masks,
                                      const std::filesystem::path& results);

}  // namespace pulmoseg::cli
