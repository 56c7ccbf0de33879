#pragma once
// Which of a file's segments are meant where a mask is asked for. Internal to volume/.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pulmoseg/volume/segment.hpp"

namespace pulmoseg::volume {

/// The code of the note that several labels or segments are one mask together.
inline constexpr const char* several_labels = "several_labels";

/// A mask by its name: FILE, FILE#NAME, FILE#NAME#NAME … A file whose own name has a '#' is found first.
struct MaskName {
  std::filesystem::path file;
  std::string choice;  ///< behind the '#'; "" for none
};

MaskName split_mask_name(const std::filesystem::path& mask);

/// Places in `found`. With a choice: the names in it (in any case) or numbers. Without: all that are `kind` by their code (SCT, SRT)
/// or, where that tells nothing, by their name: a lesion has a word for it in its name (lesion, opacity, consolidation …); a lung is
/// called lung and nothing else, left and right together where there is no whole one.
/// Error that lists the segments when none fits, one of the lungs is missing, or a name is not there or there twice.
std::vector<std::size_t> choose_segments(const std::vector<FoundSegment>& found, MaskKind kind, const MaskName& mask);

/// The numbers in a choice of labels ("1#2"), for a file that names none. Error that names the file for anything else.
std::vector<std::int64_t> chosen_labels(const MaskName& mask);

}  // namespace pulmoseg::volume
