#pragma once
// A small network with everything that ours has: convolutions with BatchNorm, a shortcut, pooling, a concatenation.

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::test {

/// image -> a, bn_a, relu -> b, bn_b -> + relu, relu -> max pooling -> concatenation of both -> logits (2 classes). Weights are
/// made up, the same each time.
onnx::Model residual_network();

/// The logits of lesion are `image` - 0.5, by way of a tensor whose other channel is 2000 times larger.
onnx::Model network_with_an_outlier();

}  // namespace pulmoseg::test
