#include "pulmoseg/evaluation/evaluate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/neighbours.hpp"

namespace pulmoseg::evaluation {
namespace {

std::vector<float> finished_images(const inference::Engine& engine, const dataset::Dataset& dataset,
                                   std::span<const std::int64_t> rows) {
  std::vector<float> images;
  for (const std::int64_t row : rows) {
    for (const std::int64_t shown : dataset::neighbours_of(dataset, row, engine.preprocessing().neighbours)) {
      std::vector<float> image(dataset.image(shown).begin(), dataset.image(shown).end());
      dataset::finish(image, dataset.rows(), dataset.columns(), engine.preprocessing());
      images.insert(images.end(), image.begin(), image.end());
    }
  }
  return images;
}

/// The class of each pixel; nothing where the dataset cannot tell it.
std::vector<std::uint8_t> targets_of(const dataset::Dataset& dataset, const dataset::ClassMap& classes,
                                     std::int64_t row) {
  if (!classes.knows_targets(dataset.slices().at(static_cast<std::size_t>(row)))) return {};
  std::vector<std::uint8_t> targets(static_cast<std::size_t>(dataset.rows() * dataset.columns()));
  classes.targets(dataset, row, targets);
  return targets;
}

metrics::LungCounts count_in_lung(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                                  std::span<const std::uint8_t> lung) {
  metrics::LungCounts counts;
  for (std::size_t i = 0; i < lung.size(); ++i) {
    if (lung[i] == 0) continue;
    ++counts.lung;
    if (prediction[i] != 0) ++counts.predicted_lesion;
    if (truth[i] != 0) ++counts.true_lesion;
  }
  return counts;
}

/// Region by region; nothing where the truth is not known.
std::vector<metrics::ConfusionCounts> count_regions(const dataset::Dataset& dataset, std::int64_t row,
                                                    const SlicePrediction& prediction,
                                                    const dataset::ClassMap& classes) {
  const auto regions = classes.further_regions();
  if (regions.empty()) return {};
  const auto targets = targets_of(dataset, classes, row);
  if (targets.empty()) return {};
  std::vector<metrics::ConfusionCounts> counts;
  for (const dataset::Region& region : regions)
    counts.push_back(metrics::count(mask_of(prediction.classes, region), mask_of(targets, region)));
  return counts;
}

metrics::SliceResult judge(const dataset::Dataset& dataset, std::int64_t row, const SlicePrediction& prediction,
                           const dataset::ClassMap& classes, double tolerance) {
  const dataset::SliceRecord& slice = dataset.slices().at(static_cast<std::size_t>(row));
  const auto truth = dataset.lesion_mask(row);
  const auto lesion = mask_of(prediction.classes, classes.lesion());
  const metrics::MaskGrid grid{.size = {dataset.columns(), dataset.rows(), 1}};
  return {
      .row = slice.row,
      .case_name = slice.case_name,
      .patient = slice.patient,
      .slice = slice.slice,
      .counts = metrics::count(lesion, truth),
      .loss = prediction.loss,
      .surface = metrics::compare_surfaces(lesion, truth, grid, tolerance),
      .lung = slice.has_lung_mask ? std::optional(count_in_lung(lesion, truth, dataset.lung_mask(row))) : std::nullopt,
      .regions = count_regions(dataset, row, prediction, classes)};
}

void warn_about_size(const inference::Engine& engine, const dataset::Dataset& dataset) {
  const std::int64_t size = engine.preprocessing().size;
  if (dataset.rows() == size && dataset.columns() == size) return;
  spdlog::warn(
      "{}: was trained on slices of {}x{}, the dataset has {}x{}; prepare it with --size {} for its own figures",
      engine.file().string(), size, size, dataset.rows(), dataset.columns(), size);
}

}  // namespace

std::vector<SlicePrediction> predict(inference::Engine& engine, const dataset::Dataset& dataset,
                                     std::span<const std::int64_t> rows) {
  if (rows.empty()) return {};
  require_lesion(engine.classes(), engine.file());
  const std::vector<float> logits =
      engine.run(finished_images(engine, dataset, rows), static_cast<std::int64_t>(rows.size()), dataset.rows(),
                 dataset.columns());
  std::vector<SlicePrediction> predictions;
  const std::size_t length = logits.size() / rows.size(), pixels = length / engine.classes().size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      predictions.push_back(interpret(std::span(logits).subspan(i * length, length), pixels, engine.classes(),
                                      targets_of(dataset, engine.classes(), rows[i])));
    } catch (const Error& error) {
      throw Error(fmt::format("{}: row {} of {}: {}", engine.file().string(), rows[i], dataset.folder().string(),
                              error.what()));
    }
  }
  return predictions;
}

Evaluator::Evaluator(const dataset::Dataset& dataset, std::size_t expected_rows, EvaluateOptions options)
    : dataset_(dataset),
      expected_rows_(expected_rows),
      options_(std::move(options)),
      roc_(expected_rows * static_cast<std::size_t>(dataset.rows() * dataset.columns())) {}

void Evaluator::add(inference::Engine& engine, std::span<const std::int64_t> rows) {
  warn_about_size(engine, dataset_);
  if (classes_ && *classes_ != engine.classes()) {
    throw Error(fmt::format("{}: tells {} apart, the models before it {}; measure them one by one",
                            engine.file().string(), engine.classes().text(), classes_->text()));
  }
  classes_ = engine.classes();
  const auto batch = static_cast<std::size_t>(engine.slices_in_flight());
  for (std::size_t done = 0; done < rows.size();) {
    if (options_.stop.stop_requested()) throw Interrupted("stopped on request; this part has no figures yet");
    const auto some = rows.subspan(done, std::min(batch, rows.size() - done));
    const auto predictions = predict(engine, dataset_, some);
    for (std::size_t i = 0; i < some.size(); ++i) {
      roc_.add(predictions[i].lesion_probability, dataset_.lesion_mask(some[i]));
      slices_.push_back(judge(dataset_, some[i], predictions[i], engine.classes(), options_.tolerance));
    }
    done += some.size();
    if (options_.on_progress) options_.on_progress(std::ssize(slices_), static_cast<std::int64_t>(expected_rows_));
  }
}

Evaluation Evaluator::finish(const std::string& part) {
  metrics::RocCurve curve = roc_.finish();
  metrics::Figures figures = metrics::summarise(part, slices_, curve, {.tolerance = options_.tolerance});
  std::vector<std::string> names;
  if (classes_) {
    for (const dataset::Region& region : classes_->further_regions()) names.push_back(region.name);
  }
  figures.regions = metrics::summarise_regions(names, slices_);
  return {std::move(figures), std::move(slices_), std::move(curve)};
}

Evaluation evaluate(inference::Engine& engine, const dataset::Dataset& dataset, std::span<const std::int64_t> rows,
                    const std::string& part, const EvaluateOptions& options) {
  Evaluator evaluator(dataset, rows.size(), options);
  evaluator.add(engine, rows);
  return evaluator.finish(part);
}

}  // namespace pulmoseg::evaluation
