#pragma once
// A network that computes in 8 bits (quantization/quantise.hpp), and the same in floats.

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::onnx {

/// Every pair of QuantizeLinear and DequantizeLinear on an activation is taken out. Weights stay as they are stored.
Model without_quantised_activations(Model model);

}  // namespace pulmoseg::onnx
