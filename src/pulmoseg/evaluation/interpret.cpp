#include "pulmoseg/evaluation/interpret.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::evaluation {
namespace {

struct Pixel {
  double log_sum;         ///< logarithm of the sum of the exponentials of the logits
  std::size_t strongest;  ///< class of the highest logit, the lowest of equals
};

Pixel read_pixel(std::span<const float> logits, std::size_t classes, std::size_t pixels, std::size_t at) {
  std::size_t strongest = 0;
  for (std::size_t c = 1; c < classes; ++c) {
    if (logits[c * pixels + at] > logits[strongest * pixels + at]) strongest = c;
  }
  const double highest = logits[strongest * pixels + at];
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) sum += std::exp(logits[c * pixels + at] - highest);
  return {highest + std::log(sum), strongest};
}

}  // namespace

std::size_t lesion_class(std::span<const std::string> classes, const std::filesystem::path& model) {
  const auto found = std::ranges::find(classes, "lesion");
  if (found == classes.end()) {
    throw Error(
        fmt::format("{}: knows the classes {}, expected one named lesion; take a model that was trained on lesions",
                    model.string(), fmt::join(classes, ", ")));
  }
  return static_cast<std::size_t>(found - classes.begin());
}

SlicePrediction interpret(std::span<const float> logits, std::size_t classes, std::size_t lesion,
                          std::span<const std::uint8_t> truth) {
  const std::size_t pixels = truth.size();
  if (logits.size() != classes * pixels || lesion >= classes || pixels == 0) {
    throw Error(fmt::format("the model gave {} logits, expected {} for {} classes and {} pixels", logits.size(),
                            classes * pixels, classes, pixels));
  }
  SlicePrediction prediction{
      .lesion_probability = std::vector<float>(pixels), .lesion = std::vector<std::uint8_t>(pixels), .loss = {}};
  double loss = 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    const Pixel pixel = read_pixel(logits, classes, pixels, i);
    if (!std::isfinite(pixel.log_sum))
      throw Error("the model gave logits that are not finite; its weights are damaged");
    prediction.lesion_probability[i] = static_cast<float>(std::exp(logits[lesion * pixels + i] - pixel.log_sum));
    prediction.lesion[i] = pixel.strongest == lesion;
    const std::size_t target = truth[i] != 0 ? lesion : 1 - lesion;
    if (classes == 2) loss += pixel.log_sum - logits[target * pixels + i];
  }
  if (classes == 2) prediction.loss = loss / static_cast<double>(pixels);
  return prediction;
}

}  // namespace pulmoseg::evaluation
