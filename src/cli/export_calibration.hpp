#pragma once
// `pulmoseg export --int8 --calibration`: a network in 8 bits, with what that costs measured on a dataset.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::cli {

struct CalibrationArguments {
  std::filesystem::path dataset, split;  ///< no split: that of the run, or every slice
  std::int64_t slices = 64;
  double smallest_agreement = 0.98;
  bool trainable = false;
  int threads = 0;
};

/// What stands in the report.
struct CalibratedModel {
  onnx::Model model;
  nlohmann::ordered_json facts;
  std::string text;
};

/// `run`: the folder of the run that the model comes from, if there is one; its training part is what is calibrated with.
/// Error when the masks agree less than asked with those of 32-bit.
CalibratedModel calibrate(const onnx::Model& model, const std::filesystem::path& source,
                          const std::optional<std::filesystem::path>& run, const CalibrationArguments& arguments);

}  // namespace pulmoseg::cli
