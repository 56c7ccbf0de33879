#pragma once
// What a network's logits say about one slice, beside its truth.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "pulmoseg/dataset/class_map.hpp"

namespace pulmoseg::evaluation {

struct SlicePrediction {
  std::vector<std::uint8_t> classes;      ///< of each pixel the one with the highest logit (of equals the lowest)
  std::vector<float> lesion_probability;  ///< softmax, summed over the classes that are lesion
  std::optional<double> loss;             ///< mean cross-entropy against the truth; nullopt: the truth is not known
};

/// 1 where the class of a pixel belongs to the region.
std::vector<std::uint8_t> mask_of(std::span<const std::uint8_t> classes, const dataset::Region& region);

/// Error naming the model and its classes when none of them is lesion.
void require_lesion(const dataset::ClassMap& classes, const std::filesystem::path& model);

/// `logits`: classes x pixels of one slice; `targets`: the class of each pixel, or nothing when it is not known. Sums run in
/// double. Error when the logits are not finite or the sizes do not fit.
SlicePrediction interpret(std::span<const float> logits, std::size_t pixels, const dataset::ClassMap& classes,
                          std::span<const std::uint8_t> targets);

}  // namespace pulmoseg::evaluation
