#pragma once
// A trained network in 8 bits: ranges from real slices, the cost measured on them, layers that cost too much kept in floats.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::quantization {

struct CalibrationOptions {
  std::int64_t slices = 64;      ///< of the rows, evenly spread
  double agreement = 0.98;       ///< lesion Dice of the masks with those of 32-bit; below it, layers are kept in floats
  bool keep_batch_norm = false;  ///< unfolded, so that the file can be trained on; ONNX Runtime is slower with it
  int threads = 0;               ///< 0: all
  std::function<void(const std::string& step)> on_step = {};  ///< what is done now
};

struct Calibration {
  onnx::Model model;              ///< its metadata says pulmoseg.precision = int8
  std::vector<std::string> kept;  ///< convolutions that stayed in floats
  /// Lesion Dice, pooled over the slices, of its masks with those of 32-bit; 1: no lesion in either.
  double agreement = 0;
  /// Lesion Dice with the truth, pooled, in 32-bit and in 8 bits; nullopt: no lesion anywhere.
  std::optional<double> dice_before, dice_after;
  std::int64_t slices = 0;
};

/// Of `model`, whose kernels are floats (name: for messages), on these rows of a dataset. Where the masks agree less than asked,
/// every convolution is quantised alone, and those that change the logits most are kept in floats, twice as many each time, until
/// the masks agree as asked or half of the convolutions are kept; then the result is less than asked.
/// Errors: as those of inference::Engine; Error without rows.
Calibration calibrate(const onnx::Model& model, const std::string& name, const dataset::Dataset& dataset,
                      std::span<const std::int64_t> rows, const CalibrationOptions& options = {});

}  // namespace pulmoseg::quantization
