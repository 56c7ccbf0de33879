#include "pulmoseg/quantization/calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/neighbours.hpp"
#include "pulmoseg/evaluation/evaluate.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/inference/tensor_probe.hpp"
#include "pulmoseg/metrics/confusion.hpp"
#include "pulmoseg/onnx/fold_batch_norm.hpp"
#include "pulmoseg/quantization/quantise.hpp"

namespace pulmoseg::quantization {
namespace {

constexpr std::size_t slices_of_search = 8;

std::vector<std::int64_t> evenly_spread(std::span<const std::int64_t> rows, std::int64_t count) {
  std::vector<std::int64_t> chosen;
  const std::int64_t all = std::ssize(rows), n = std::min(count, all);
  for (std::int64_t i = 0; i < n; ++i) chosen.push_back(rows[static_cast<std::size_t>((2 * i + 1) * all / (2 * n))]);
  return chosen;
}

/// What the network is shown of a row: as it is, and where the model leaves that open, equalised too.
std::vector<std::vector<float>> images_of(const dataset::Dataset& dataset, std::int64_t row,
                                          dataset::Preprocessing preprocessing) {
  std::vector<double> clips{preprocessing.equalisation};
  if (preprocessing.equalise_unfamiliar) clips.push_back(0);
  preprocessing.equalise_unfamiliar = false;
  std::vector<std::vector<float>> images;
  for (const double clip : clips) {
    preprocessing.equalisation = clip;
    auto& image = images.emplace_back();
    for (const std::int64_t shown : dataset::neighbours_of(dataset, row, preprocessing.neighbours)) {
      std::vector<float> channel(dataset.image(shown).begin(), dataset.image(shown).end());
      dataset::finish(channel, dataset.rows(), dataset.columns(), preprocessing);
      image.insert(image.end(), channel.begin(), channel.end());
    }
  }
  return images;
}

class Calibrator {
 public:
  Calibrator(const onnx::Model& model, std::string name, const dataset::Dataset& dataset,
             std::vector<std::int64_t> rows, const CalibrationOptions& options)
      : name_(std::move(name)),
        dataset_(dataset),
        rows_(std::move(rows)),
        options_(options),
        model_(options.keep_batch_norm ? model : onnx::fold_batch_norm(model)) {
    model_.metadata["pulmoseg.precision"] = "int8";
  }

  Calibration run() {
    observe();
    step("masks of the network in 32-bit");
    inference::Engine exact = engine(model_, "fp32");
    const auto masks = masks_of(exact);
    Calibration result = measured({}, masks);
    if (result.agreement >= options_.agreement) return result;
    const auto order = by_sensitivity(exact);
    for (std::size_t kept = 1; kept <= order.size() / 2 && result.agreement < options_.agreement; kept *= 2) {
      step(fmt::format("lesion Dice with 32-bit is {:.4f}, below {}: keeping {} convolutions in floats",
                       result.agreement, options_.agreement, kept));
      Calibration next = measured({order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept)}, masks);
      if (next.agreement > result.agreement) result = std::move(next);
    }
    return result;
  }

 private:
  using Masks = std::vector<std::vector<std::uint8_t>>;

  void step(const std::string& what) const {
    if (options_.on_step) options_.on_step(what);
  }

  inference::Engine engine(const onnx::Model& model, const char* precision) const {
    return inference::Engine(model, name_, {.precision = precision, .threads = options_.threads});
  }

  /// Ranges of all tensors, over all slices.
  void observe() {
    step(fmt::format("ranges of activations over {} slices", rows_.size()));
    const auto tensors = tensors_to_quantise(model_);
    const auto preprocessing = dataset::Preprocessing::from_metadata(model_.metadata, name_);
    inference::TensorProbe probe(model_, name_, tensors, dataset_.rows(), dataset_.columns(), options_.threads);
    std::vector<Histogram> histograms(tensors.size());
    const auto add = [&](std::size_t i, std::span<const float> values) {
      try {
        histograms[i].add(values);
      } catch (const Error& error) {
        throw Error(
            fmt::format("{}: its tensor {} holds {}, expected numbers; look at it and at {} with pulmoseg inspect",
                        name_, tensors[i], error.what(), dataset_.folder().string()));
      }
    };
    for (const std::int64_t row : rows_) {
      for (const auto& image : images_of(dataset_, row, preprocessing)) probe.run(image, add);
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) ranges_[tensors[i]] = histograms[i].best_range();
  }

  onnx::Model quantised(const std::set<std::string>& kept) const {
    std::map<std::string, Range> ranges;
    for (const auto& tensor : tensors_to_quantise(model_, kept)) ranges[tensor] = ranges_.at(tensor);
    return quantise(model_, std::move(ranges), kept);
  }

  Masks masks_of(inference::Engine& engine) const {
    evaluation::Predictor predictor(engine, dataset_);
    Masks masks;
    for (std::size_t i = 0; i < rows_.size(); i += 8) {
      const auto batch = std::span(rows_).subspan(i, std::min<std::size_t>(8, rows_.size() - i));
      for (const auto& slice : predictor.predict(batch))
        masks.push_back(evaluation::mask_of(slice.classes, engine.classes().lesion()));
    }
    return masks;
  }

  metrics::ConfusionCounts compare(const Masks& masks,
                                   const std::function<std::span<const std::uint8_t>(std::size_t)>& truth) const {
    metrics::ConfusionCounts counts;
    for (std::size_t i = 0; i < masks.size(); ++i) counts += metrics::count(masks[i], truth(i));
    return counts;
  }

  Calibration measured(const std::set<std::string>& kept, const Masks& exact) const {
    Calibration result{.model = quantised(kept),
                       .kept = {kept.begin(), kept.end()},
                       .agreement = 0,
                       .dice_before = {},
                       .dice_after = {},
                       .slices = std::ssize(rows_)};
    step("masks of the network in 8 bits");
    inference::Engine network = engine(result.model, "int8");
    const Masks masks = masks_of(network);
    const auto truth = [&](std::size_t i) { return dataset_.lesion_mask(rows_[i]); };
    result.agreement = metrics::dice(compare(masks, [&](std::size_t i) { return std::span(exact[i]); })).value_or(1);
    result.dice_before = metrics::dice(compare(exact, truth));
    result.dice_after = metrics::dice(compare(masks, truth));
    return result;
  }

  /// The convolutions, those first that alone change the logits most.
  std::vector<std::string> by_sensitivity(inference::Engine& exact) const {
    std::set<std::string> all;
    for (const auto& node : model_.nodes) {
      if (node.op_type == "Conv") all.insert(node.name);
    }
    step(fmt::format("quantising each of {} convolutions alone", all.size()));
    const auto preprocessing = dataset::Preprocessing::from_metadata(model_.metadata, name_);
    std::vector<float> images;
    const auto few = evenly_spread(rows_, slices_of_search);
    for (const std::int64_t row : few) {
      const auto image = images_of(dataset_, row, preprocessing).back();
      images.insert(images.end(), image.begin(), image.end());
    }
    const auto logits = [&](inference::Engine& network) {
      return network.run(images, std::ssize(few), dataset_.rows(), dataset_.columns());
    };
    const std::vector<float> expected = logits(exact);
    std::vector<std::pair<double, std::string>> errors;
    for (const auto& convolution : all) {
      std::set<std::string> others = all;
      others.erase(convolution);
      inference::Engine network = engine(quantised(others), "int8");
      const std::vector<float> found = logits(network);
      double error = 0;
      for (std::size_t i = 0; i < found.size(); ++i) error += std::pow(double{found[i]} - expected[i], 2);
      errors.emplace_back(-error, convolution);
    }
    std::ranges::sort(errors);
    std::vector<std::string> order;
    for (const auto& [error, convolution] : errors) order.push_back(convolution);
    return order;
  }

  std::string name_;
  const dataset::Dataset& dataset_;
  std::vector<std::int64_t> rows_;
  const CalibrationOptions& options_;
  onnx::Model model_;
  std::map<std::string, Range> ranges_;
};

}  // namespace

Calibration calibrate(const onnx::Model& model, const std::string& name, const dataset::Dataset& dataset,
                      std::span<const std::int64_t> rows, const CalibrationOptions& options) {
  auto chosen = evenly_spread(rows, options.slices);
  if (chosen.empty()) throw Error(fmt::format("{}: there are no slices to calibrate with", dataset.folder().string()));
  return Calibrator(model, name, dataset, std::move(chosen), options).run();
}

}  // namespace pulmoseg::quantization
