#pragma once
// BatchNorm, addition and ReLU in one pass over memory.
//
// Between two convolutions a ResNet normalises, adds and rectifies. Each is cheap to compute and as expensive as reading and
// writing its whole tensor; one after the other they cost a CPU more than a tenth of a training step. Here the forward pass
// reads the convolution's answer twice (moments, then the result) and the backward pass likewise.

#include <torch/nn/modules/batchnorm.h>

#include <functional>

namespace pulmoseg::model {

/// Adds a tensor up over the processes that train together, in place. Each process makes the same calls in the same order.
using SumOverRanks = std::function<void(torch::Tensor&)>;

/// torch::nn::BatchNorm2d, which in training mode takes mean and variance over the samples of all ranks when it is told how to
/// add up ("synchronised"; the pieces of a batch may differ in size). Differentiable once in input, weight and bias; the
/// gradients of weight and bias are those of this rank's samples, to be added up like all others.
class BatchNormImpl : public torch::nn::BatchNorm2dImpl {
 public:
  using torch::nn::BatchNorm2dImpl::BatchNorm2dImpl;
  torch::Tensor forward(const torch::Tensor& input);

  SumOverRanks sum_over_ranks;  ///< empty: this process is alone, or keeps its statistics to itself
};
TORCH_MODULE(BatchNorm);

/// Makes each BatchNorm in a network a synchronised one.
void synchronise_batch_norm(torch::nn::Module& network, const SumOverRanks& sum_over_ranks);

/// Puts each BatchNorm2d in a network into eval mode until the next network.train(): the network trains with the running
/// statistics, as the function that it is afterwards.
void freeze_batch_norm(torch::nn::Module& network);

/// relu(norm(input) + addend), `addend` undefined: relu(norm(input)). Ioffe & Szegedy, "Batch Normalization" (2015).
///
/// On a CPU, with channels-last float32 or bfloat16 input, one fused autograd function, whose sums run in an order that does
/// not depend on the number of threads; elsewhere the three operations of LibTorch. Either way the layer's running statistics
/// are updated as PyTorch does in training mode, and used in eval mode. Differentiable once in input, addend and the layer's
/// weight and bias.
torch::Tensor batch_norm_relu(BatchNormImpl& norm, const torch::Tensor& input, const torch::Tensor& addend = {});

}  // namespace pulmoseg::model
