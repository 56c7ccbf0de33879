#pragma once
// The network as an ONNX graph in inference mode: BatchNorm with its running statistics, no dropout. BatchNorms stay nodes of
// their own, which programs that run ONNX fold into the convolutions when they load it, so that the file holds the whole state
// dict and can be trained on (weights.hpp reads it).
//
// Input "image": float32 batch x channels x rows x columns; output "logits": float32 batch x classes x rows x columns.
// Batch, rows and columns are dynamic. Nodes and weights have their state_dict names.

#include <map>
#include <string>

#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::model {

/// How the kernels of the convolutions are stored. int8: whole numbers from -127 to 127 and a scale for each output channel (the
/// largest weight's 127th), multiplied by a DequantizeLinear when the file is loaded; a quarter of the size, computed in float.
enum class KernelFormat { float32, int8 };

/// `metadata` becomes the file's own (classes, preprocessing: see pulmoseg/onnx/model.hpp and dataset::Preprocessing).
/// The network is only read, on whatever device and in whatever mode it is; the weights are copied.
onnx::Model to_onnx(const DeepLabV3& network, std::map<std::string, std::string> metadata,
                    KernelFormat kernels = KernelFormat::float32);

}  // namespace pulmoseg::model
