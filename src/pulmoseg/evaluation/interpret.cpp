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

std::vector<std::uint8_t> mask_of(std::span<const std::uint8_t> classes, const dataset::Region& region) {
  std::vector<std::uint8_t> mask(classes.size());
  std::ranges::transform(classes, mask.begin(), [&](std::uint8_t of) { return region.has[of]; });
  return mask;
}

void require_lesion(const dataset::ClassMap& classes, const std::filesystem::path& model) {
  const auto lesion = classes.lesion().has;
  if (std::ranges::find(lesion, true) != lesion.end()) return;
  throw Error(
      fmt::format("{}: knows the classes {}, expected one named lesion; take a model that was trained on lesions",
                  model.string(), fmt::join(classes.names(), ", ")));
}

SlicePrediction interpret(std::span<const float> logits, std::size_t pixels, const dataset::ClassMap& classes,
                          std::span<const std::uint8_t> targets) {
  const std::size_t count = classes.size();
  if (logits.size() != count * pixels || pixels == 0 || (!targets.empty() && targets.size() != pixels)) {
    throw Error(fmt::format("the model gave {} logits, expected {} for {} classes and {} pixels", logits.size(),
                            count * pixels, count, pixels));
  }
  const std::vector<bool> is_lesion = classes.lesion().has;
  SlicePrediction prediction{
      .classes = std::vector<std::uint8_t>(pixels), .lesion_probability = std::vector<float>(pixels), .loss = {}};
  double loss = 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    const Pixel pixel = read_pixel(logits, count, pixels, i);
    if (!std::isfinite(pixel.log_sum))
      throw Error("the model gave logits that are not finite; its weights are damaged");
    double probability = 0;
    for (std::size_t c = 0; c < count; ++c) {
      if (is_lesion[c]) probability += std::exp(logits[c * pixels + i] - pixel.log_sum);
    }
    prediction.lesion_probability[i] = static_cast<float>(probability);
    prediction.classes[i] = static_cast<std::uint8_t>(pixel.strongest);
    if (!targets.empty()) loss += pixel.log_sum - logits[targets[i] * pixels + i];
  }
  if (!targets.empty()) prediction.loss = loss / static_cast<double>(pixels);
  return prediction;
}

}  // namespace pulmoseg::evaluation
