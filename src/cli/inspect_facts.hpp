#pragma once
// What `pulmoseg inspect` finds out about a file, the same for every kind of file.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::cli {

struct InspectedFile {
  std::string
      kind;  ///< "CT volume", "mask", "segmentation", "DICOM files", "dataset", "training run", "ONNX model", "weights", "NumPy array"
  nlohmann::ordered_json facts =
      nlohmann::ordered_json::object();  ///< values, lists of numbers or objects, or objects of such
  std::vector<quantify::Note> warnings;
};

/// `series`: which one of a DICOM folder, as volume::choose_dicom_series(); where it is open, the series are listed and no more.
InspectedFile inspect_image(const std::filesystem::path& file_or_dicom_folder, const std::string& series);
InspectedFile inspect_dataset(const std::filesystem::path& folder);
InspectedFile inspect_array(const std::filesystem::path& npy);
InspectedFile inspect_run(const std::filesystem::path& folder);  ///< a folder for which is_run()
InspectedFile inspect_onnx(const std::filesystem::path& onnx);
/// .pth, .pt, .safetensors. Error in a build without LibTorch.
InspectedFile inspect_weights(const std::filesystem::path& weights);

}  // namespace pulmoseg::cli
