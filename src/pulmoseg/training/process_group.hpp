#pragma once
// The processes that train one network together, each on its piece of every batch: c10d's Gloo backend over TCP (NCCL between
// GPUs), and its Reducer, which adds up the gradients in buckets while the backward pass still computes the next ones (Li et al., "PyTorch
// Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020).

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pulmoseg/training/ranks.hpp"

namespace pulmoseg::training {

/// What is called here, all ranks call, in the same order and with tensors of the same shape. In a process that is alone every
/// call is at hand: nothing is exchanged. Exchanges have no time limit: a slow rank, or rank 0 writing a checkpoint, is waited
/// for; a dead one is not (heartbeat.hpp).
///
/// Errors: Error when the ranks cannot meet; for what happens later, see run(). Threads: one at a time.
class ProcessGroup {
 public:
  explicit ProcessGroup(const RankPlace& place = {});  ///< waits up to 5 minutes until all ranks are there
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;
  ~ProcessGroup();

  /// From now on tensors on GPUs are exchanged too, by NCCL. LibTorch's CUDA half must be open (open_device). Error where the
  /// build has no NCCL.
  void join_gpus();

  int rank() const { return place_.rank; }
  int local_rank() const { return place_.local_rank; }  ///< among those of this machine
  int ranks() const { return place_.ranks; }
  bool is_first() const { return rank() == 0; }  ///< rank 0 alone writes files
  int ranks_here() const;                        ///< on this machine
  int ranks_on_these_cores() const;              ///< of it that are bound to the same cores, or to none

  /// Runs this rank's work, then waits until all have done theirs. An error out of it ends the processes of all ranks, this one
  /// with std::_Exit, each with one line that names the rank and the reason; a process that is alone lets it pass.
  /// Interrupted is no error: all ranks throw it together.
  void run(const std::function<void()>& work);

  void sum(torch::Tensor& tensor) const;              ///< over the ranks, in place; contiguous
  double sum(double value) const;                     ///< over the ranks
  void broadcast(const torch::Tensor& tensor) const;  ///< becomes rank 0's
  std::string broadcast(const std::string& text);     ///< rank 0's

  /// From now on backward() gives these parameters, on every rank, the mean of their gradients over the ranks. Every parameter
  /// must take part in each backward pass. All ranks' parameters become rank 0's.
  void average_gradients_of(const std::vector<torch::Tensor>& parameters);

  /// The sum over the ranks, differentiable: backward() of one loss that all ranks make of totals gives all of them its gradient.
  torch::Tensor total(const torch::Tensor& part) const;
  void backward(const torch::Tensor& loss);

 private:
  void join();
  void finish();
  int ranks_with_my(const std::vector<std::string>& things) const;

  struct Connections;
  RankPlace place_;
  std::unique_ptr<Connections> connections_;  // null: alone
};

}  // namespace pulmoseg::training
