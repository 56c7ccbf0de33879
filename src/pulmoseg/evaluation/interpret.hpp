#pragma once
// What a network's logits say about one slice, beside its truth.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/metrics/confusion.hpp"

namespace pulmoseg::evaluation {

struct SlicePrediction {
  std::vector<float> lesion_probability;  ///< softmax of the lesion class, one a pixel
  std::vector<std::uint8_t> lesion;       ///< 1 where lesion has the highest logit (of equals the lowest class wins)
  std::optional<double> loss;             ///< mean cross-entropy against the truth; see interpret()
};

/// Where "lesion" stands among a model's classes. Error naming the model and its classes when there is none.
std::size_t lesion_class(std::span<const std::string> classes, const std::filesystem::path& model);

/// `logits`: classes x pixels of one slice; `truth`: its lesion mask, non-zero is lesion. Sums run in double.
/// The loss exists for models of two classes only (background and lesion): of more, the lesion mask does not tell which class
/// a pixel without lesion has.
/// Error when the logits are not finite or the sizes do not fit.
SlicePrediction interpret(std::span<const float> logits, std::size_t classes, std::size_t lesion,
                          std::span<const std::uint8_t> truth);

}  // namespace pulmoseg::evaluation
