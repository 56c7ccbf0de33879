#include "pulmoseg/evaluation/evaluate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/neighbours.hpp"

namespace pulmoseg::evaluation {
namespace {

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
  metrics::ExpectedDice expected;
  expected.add(prediction.lesion_probability, lesion);
  return {
      .row = slice.row,
      .case_name = slice.case_name,
      .patient = slice.patient,
      .slice = slice.slice,
      .counts = metrics::count(lesion, truth),
      .loss = prediction.loss,
      .surface = metrics::compare_surfaces(lesion, truth, grid, tolerance),
      .lung = slice.has_lung_mask ? std::optional(count_in_lung(lesion, truth, dataset.lung_mask(row))) : std::nullopt,
      .expected_dice = expected.value(),
      .regions = count_regions(dataset, row, prediction, classes)};
}

void warn_about_size(const inference::Engine& engine, const dataset::Dataset& dataset) {
  const std::int64_t size = engine.preprocessing().size;
  if (dataset.rows() == size && dataset.columns() == size) return;
  spdlog::warn(
      "{}: was trained on slices of {}x{}, the dataset has {}x{}; prepare it with --size {} for its own figures",
      engine.file().string(), size, size, dataset.rows(), dataset.columns(), size);
}

void warn_about_window(const inference::Engine& engine, const dataset::Dataset& dataset) {
  const auto in_words = [](const std::optional<dataset::Window>& window) {
    return window ? fmt::format("cut to {} to {}", window->low, window->high) : "not cut to a window";
  };
  const auto &wanted = engine.preprocessing().window, &found = dataset.info().preprocessing.window;
  const auto is_hounsfield = [](const auto& source) { return source.hounsfield_slices > 0; };
  if (wanted == found || std::ranges::none_of(dataset.info().sources, is_hounsfield)) return;
  spdlog::warn(
      "{}: was trained on slices {}, those of the dataset in Hounsfield units are {}; prepare it with {} for the "
      "model's own figures",
      engine.file().string(), in_words(wanted), in_words(found),
      wanted ? fmt::format("--hounsfield-window {} {}", wanted->low, wanted->high) : "no --hounsfield-window");
}

}  // namespace

Predictor::Predictor(inference::Engine& engine, const dataset::Dataset& dataset) : engine_(engine), dataset_(dataset) {
  require_lesion(engine.classes(), engine.file());
}

const dataset::Preprocessing& Predictor::preprocessing_of(const std::string& case_name) {
  if (const auto known = of_cases_.find(case_name); known != of_cases_.end()) return known->second;
  dataset::EqualisationChoice choice(engine_.preprocessing(), engine_.familiarity());
  for (const auto& slice : dataset_.slices()) {
    if (choice.is_open() && slice.case_name == case_name) choice.add(dataset_.image(slice.row), dataset_.columns());
  }
  return of_cases_.emplace(case_name, choice.decide()).first->second;
}

std::vector<float> Predictor::finished_images(std::span<const std::int64_t> rows) {
  std::vector<float> images;
  for (const std::int64_t row : rows) {
    const auto& preprocessing = preprocessing_of(dataset_.slices().at(static_cast<std::size_t>(row)).case_name);
    for (const std::int64_t shown : dataset::neighbours_of(dataset_, row, preprocessing.neighbours)) {
      std::vector<float> image(dataset_.image(shown).begin(), dataset_.image(shown).end());
      dataset::finish(image, dataset_.rows(), dataset_.columns(), preprocessing);
      images.insert(images.end(), image.begin(), image.end());
    }
  }
  return images;
}

std::vector<SlicePrediction> Predictor::predict(std::span<const std::int64_t> rows) {
  if (rows.empty()) return {};
  const std::vector<float> logits =
      engine_.run(finished_images(rows), static_cast<std::int64_t>(rows.size()), dataset_.rows(), dataset_.columns());
  std::vector<SlicePrediction> predictions;
  const std::size_t length = logits.size() / rows.size(), pixels = length / engine_.classes().size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      predictions.push_back(interpret(std::span(logits).subspan(i * length, length), pixels, engine_.classes(),
                                      targets_of(dataset_, engine_.classes(), rows[i])));
    } catch (const Error& error) {
      throw Error(fmt::format("{}: row {} of {}: {}", engine_.file().string(), rows[i], dataset_.folder().string(),
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
  warn_about_window(engine, dataset_);
  if (classes_ && *classes_ != engine.classes()) {
    throw Error(fmt::format("{}: tells {} apart, the models before it {}; measure them one by one",
                            engine.file().string(), engine.classes().text(), classes_->text()));
  }
  classes_ = engine.classes();
  Predictor predictor(engine, dataset_);
  const auto batch = static_cast<std::size_t>(engine.slices_in_flight());
  for (std::size_t done = 0; done < rows.size();) {
    if (options_.stop.stop_requested()) throw Interrupted("stopped on request; this part has no figures yet");
    const auto some = rows.subspan(done, std::min(batch, rows.size() - done));
    const auto predictions = predictor.predict(some);
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
