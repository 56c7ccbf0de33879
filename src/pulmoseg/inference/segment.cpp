#include "pulmoseg/inference/segment.hpp"

#include <algorithm>

namespace pulmoseg::inference {
namespace {

/// The most probable class of each pixel, the lowest of equals.
std::vector<std::uint8_t> most_probable(std::span<const float> probabilities, std::size_t pixels) {
  std::vector<std::uint8_t> labels(pixels, 0);
  std::vector<float> best(probabilities.begin(), probabilities.begin() + static_cast<std::ptrdiff_t>(pixels));
  for (std::size_t c = 1; c < probabilities.size() / pixels; ++c) {
    const auto candidate = probabilities.subspan(c * pixels, pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      if (candidate[i] <= best[i]) continue;
      best[i] = candidate[i];
      labels[i] = static_cast<std::uint8_t>(c);
    }
  }
  return labels;
}

/// From the network's grid back to the slice's own.
SegmentedSlice finish(volume::AxialSlice&& slice, const dataset::Appearance& appearance,
                      std::span<const float> probabilities, std::int64_t size) {
  const auto pixels = static_cast<std::size_t>(slice.rows * slice.columns),
             inner = static_cast<std::size_t>(size * size);
  const std::size_t classes = probabilities.size() / inner;
  SegmentedSlice result{.index = slice.index,
                        .rows = slice.rows,
                        .columns = slice.columns,
                        .pixels = std::move(slice.pixels),
                        .probabilities = std::vector<float>(classes * pixels),
                        .labels = {},
                        .appearance = appearance};
  for (std::size_t c = 0; c < classes; ++c) {
    dataset::resize_bilinear(probabilities.subspan(c * inner, inner), size, size,
                             std::span(result.probabilities).subspan(c * pixels, pixels), slice.rows, slice.columns);
  }
  result.labels = most_probable(result.probabilities, pixels);
  return result;
}

}  // namespace

void segment(volume::VolumeReader& reader, Engine& engine, const std::function<void(const SegmentedSlice&)>& on_slice) {
  const auto& preprocessing = engine.preprocessing();
  const std::int64_t size = preprocessing.size, classes = static_cast<std::int64_t>(engine.classes().size());
  const auto outputs = static_cast<std::size_t>(classes * size * size);
  for (bool more = true; more;) {
    std::vector<volume::AxialSlice> slices;
    std::vector<float> images;
    std::vector<dataset::Appearance> appearances;
    while (std::ssize(slices) < engine.slices_in_flight() && (more = reader.next(slices.emplace_back()))) {
      const auto& slice = slices.back();
      auto image = dataset::preprocess(slice.pixels, slice.rows, slice.columns, preprocessing);
      appearances.push_back(dataset::appearance_of(image, size));
      dataset::normalise(image, preprocessing);
      images.insert(images.end(), image.begin(), image.end());
    }
    if (!more) slices.pop_back();
    const auto n = std::ssize(slices);
    auto probabilities = engine.run(images, n, size, size);
    softmax(probabilities, n, classes, size * size);
    for (std::size_t i = 0; i < slices.size(); ++i) {
      on_slice(
          finish(std::move(slices[i]), appearances[i], std::span(probabilities).subspan(i * outputs, outputs), size));
    }
  }
}

}  // namespace pulmoseg::inference
