#pragma once
// A network in whole numbers, as standard ONNX: every value that a convolution reads goes through a QuantizeLinear and a
// DequantizeLinear, which a program that runs ONNX turns into arithmetic of 8 bits (OpenVINO and ONNX Runtime do).
//
// Kernels: signed, one scale for each output channel, the largest weight is 64 of 127: processors without VNNI add two products
// of 8 bits in 16 bits (vpmaddubsw), and 2 * 255 * 64 just fits. Activations: unsigned,
// one scale and zero for each tensor. Concatenated tensors share theirs, so that joining them is copying. What is added (the
// shortcuts) is quantised on both sides.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pulmoseg/onnx/model.hpp"
#include "pulmoseg/quantization/activation_range.hpp"

namespace pulmoseg::quantization {

/// Kernels of convolutions go from -64 to 64.
constexpr int largest_weight = 64;

/// The tensors that have to be quantised, in the order in which they are computed, if all convolutions are but those in `kept`
/// (by name), which stay in floats.
std::vector<std::string> tensors_to_quantise(const onnx::Model& model, const std::set<std::string>& kept = {});

/// `ranges` has one for each of tensors_to_quantise(). Kernels and biases of `model` are floats that it owns; a bias becomes a
/// whole number of 32 bits, as ONNX Runtime wants it. Error without a range, or where weights are whole numbers already.
onnx::Model quantise(onnx::Model model, std::map<std::string, Range> ranges, const std::set<std::string>& kept = {});

}  // namespace pulmoseg::quantization
