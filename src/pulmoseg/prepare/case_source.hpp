#pragma once
// Which files make a dataset: an image, its lesion mask and, where there is one, its lung mask, for each case.
//
// Nothing is opened here but folders and tables. All functions throw Error of one line that names the file or folder.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pulmoseg::prepare {

struct CaseSource {
  std::string name;     ///< unique in a dataset
  std::string patient;  ///< the case's own name where the patient is not known
  std::filesystem::path image, lesion_mask;
  std::optional<std::filesystem::path> lung_mask;

  bool operator==(const CaseSource&) const = default;
};

/// The layout of the Radiopaedia COVID-19 set: images in rp_im/, lesion masks in rp_msk/, lung masks in rp_lung_msk/
/// (which may be missing, as may be single lung masks). Masks belong to images by volume::mask_name() and scan_name(); a
/// subfolder is a DICOM series or, of masks, a DICOM Segmentation; a ZIP is an image. Hidden files are ignored, other files
/// too, with a warning. Cases come in natural order (2 before 10). A cases.csv with the columns case and patient says who
/// is who; a case that it does not name is a patient of its own, with a warning (one for all cases where there is no such
/// file). Error for an image without lesion mask, a mask without image, two files of one name, a folder without images.
std::vector<CaseSource> find_cases(const std::filesystem::path& folder);

/// A table with the columns case, image, lesion_mask and, if wanted, patient and lung_mask (cells of which may be
/// empty). File names are relative to the table. Other columns are ignored. Cases stay in the order of the table.
std::vector<CaseSource> read_cases(const std::filesystem::path& table);

/// Files named one by one; each case takes the volume::scan_name() of its image. `lung_masks` is empty or as long as
/// the others. Each case is a patient of its own; more than one get a warning that says so. UsageError when the lengths
/// differ.
std::vector<CaseSource> pair_cases(std::span<const std::filesystem::path> images,
                                   std::span<const std::filesystem::path> lesion_masks,
                                   std::span<const std::filesystem::path> lung_masks);

/// Error that names both images when two cases have one name, or the image whose name is not UTF-8 (JSON must be).
void check_names(std::span<const CaseSource> cases);

/// Order in which numbers inside of names count as numbers: a2 < a10 < b1.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace pulmoseg::prepare
