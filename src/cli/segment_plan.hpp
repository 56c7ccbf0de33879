#pragma once
// What `pulmoseg segment` is going to write, decided before anything is computed.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::cli {

struct SegmentCase {
  std::filesystem::path input;
  std::optional<std::filesystem::path> lung_mask;
  std::string name;  ///< of its results; no two cases share one
  std::filesystem::path mask, measurements, picture;
  std::filesystem::path lung;           ///< of the model's own lung; empty: it knows none, or a lung mask is given
  std::filesystem::path probabilities;  ///< empty when not asked for
};

struct SegmentPlan {
  std::filesystem::path folder;   ///< of the results
  std::string format = "nii.gz";  ///< of masks and probabilities
  bool lung = false;              ///< the model knows the lung
  bool probabilities = false;
  bool overwrite = false;
};

/// One case for each input, in the order of the inputs; `lung_masks` is empty or has one for each. A case is called as its
/// input without ending; a name that is taken gets a number ("ct", "ct_2").
/// UsageError when an input is named twice, the numbers of inputs and lung masks differ or a result would replace an input;
/// Error when a result exists and may not be overwritten.
std::vector<SegmentCase> plan_cases(const std::vector<std::filesystem::path>& inputs,
                                    const std::vector<std::filesystem::path>& lung_masks, SegmentPlan plan);

}  // namespace pulmoseg::cli
