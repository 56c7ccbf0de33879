#pragma once
// Which mask is compared with which.

#include <filesystem>
#include <string>
#include <vector>

namespace pulmoseg::evaluation {

struct MaskPair {
  std::string name;
  std::filesystem::path prediction, reference;
};

/// A mask that could not be scored, and why.
struct Unscored {
  std::string name, reason;
};

struct MaskPairs {
  std::vector<MaskPair> pairs;     ///< by name
  std::vector<Unscored> unpaired;  ///< masks that only one of the two folders has
};

/// Two files are one pair, named after the reference whatever their names. Of two folders, the masks (.nii.gz, .nii,
/// .nrrd, .nhdr; hidden files and everything else are passed over) of the same volume::mask_name() are pairs.
/// Error when something is missing, one is a file and the other a folder, a folder holds no mask or two of one name, or no
/// two names match.
MaskPairs pair_masks(const std::filesystem::path& prediction, const std::filesystem::path& reference);

}  // namespace pulmoseg::evaluation
