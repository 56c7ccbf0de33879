#pragma once
// BatchNorm in inference is a factor and a summand for each channel: part of the convolution before it.

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::onnx {

/// Each BatchNormalization that follows a Conv, and nothing else reads that Conv, becomes part of its kernel and bias (named
/// after the Conv, ".bias"); the Conv gives what the BatchNormalization gave. Others stay, and kernels that are not stored as
/// floats. The model owns its weights (read(), or vectors).
Model fold_batch_norm(Model model);

}  // namespace pulmoseg::onnx
