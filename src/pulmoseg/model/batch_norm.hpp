#pragma once
// BatchNorm, addition and ReLU in one pass over memory.
//
// Between two convolutions a ResNet normalises, adds and rectifies. Each is cheap to compute and as expensive as reading and
// writing its whole tensor; one after the other they cost a CPU more than a tenth of a training step. Here the forward pass
// reads the convolution's answer twice (moments, then the result) and the backward pass likewise.

#include <torch/nn/modules/batchnorm.h>

namespace pulmoseg::model {

/// relu(norm(input) + addend), `addend` undefined: relu(norm(input)). Ioffe & Szegedy, "Batch Normalization" (2015).
///
/// In training mode on a CPU, with channels-last float32 or bfloat16 input, one fused autograd function, whose sums run in an
/// order that does not depend on the number of threads; elsewhere the three operations of LibTorch. Either way the layer's
/// running statistics are updated as PyTorch does. Differentiable once in input, addend and the layer's weight and bias.
torch::Tensor batch_norm_relu(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& input,
                              const torch::Tensor& addend = {});

}  // namespace pulmoseg::model
