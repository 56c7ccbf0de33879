#pragma once
// The network as an ONNX graph, in the form that runs fastest elsewhere: every BatchNorm is folded into its convolution
// (in double precision) and dropout is gone, so it is for inference only.
//
// Input "image": float32 batch x channels x rows x columns; output "logits": float32 batch x classes x rows x columns.
// Batch, rows and columns are dynamic. Nodes and weights are named after the convolutions' state_dict names.

#include <map>
#include <string>

#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::model {

/// `metadata` becomes the file's own (classes, preprocessing: see pulmoseg/onnx/model.hpp and dataset::Preprocessing).
/// The network is only read, on whatever device and in whatever mode it is; the weights are copied.
onnx::Model to_onnx(const DeepLabV3& network, std::map<std::string, std::string> metadata);

}  // namespace pulmoseg::model
