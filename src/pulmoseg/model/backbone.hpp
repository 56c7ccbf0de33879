#pragma once
// A backbone for --init out of a 3-D ResNet that was trained on chest CT (scripts/fetch_backbone.sh).

#include <string>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::model {

/// The 318 tensors of the backbone ("backbone.conv1.weight" …, float32, one image channel) from the weights of an
/// inflated 3-D ResNet-50, -101 or -152 under torchvision's names, with or without a common prefix:
/// - kernels (out x in x depth x x x y) are summed over depth: the answer to a volume whose slices are all alike;
/// - they are for images indexed (x, y) with x to the patient's right and y to anterior. Ours are indexed (row, column)
///   with rows to posterior and columns to the patient's left, so both axes are exchanged and reversed;
/// - each stage keeps its first 3, 4, 6 and 3 blocks. The deeper stages of a deeper network then see other features
///   than they were trained on; fine-tuning has to mend that;
/// - the first convolution is summed over its image channels.
/// Error, beginning with `source`, when a tensor is missing or of another shape.
StateDict backbone_from_3d(const StateDict& state, const std::string& source = "the weights");

}  // namespace pulmoseg::model
