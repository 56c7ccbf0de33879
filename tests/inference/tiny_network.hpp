#pragma once
// Networks of one or two layers whose answers can be worked out by hand.

#include <filesystem>

#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::test {

/// Logits (0, gain * (x - threshold)) of every pixel x by itself, any number and size of images; lesion is what lies above
/// the threshold. With our metadata for slices of `size`.
onnx::Model threshold_network(float gain = 20, float threshold = 0.5, std::int64_t size = 32);

/// Dark pixels are background, those between 0.25 and 0.75 lung, brighter ones lesion: a model of the classes lung+lesion.
onnx::Model lung_and_lesion_network(std::int64_t size = 32);

/// The same as threshold_network() at half the size, by the mean of 2x2 pixels, and bilinear back to the input's: as deep networks do.
onnx::Model pooled_threshold_network(float gain, float threshold, std::int64_t size = 32);

/// threshold_network() of 2.5-D: it sees the slice below and the one above too, and answers for the one below.
onnx::Model below_network(std::int64_t size = 32);

}  // namespace pulmoseg::test
