#pragma once
// A model over the slices of a dataset.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/evaluation/interpret.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/metrics/figures.hpp"
#include "pulmoseg/metrics/roc.hpp"

namespace pulmoseg::evaluation {

struct Evaluation {
  metrics::Figures figures;
  std::vector<metrics::SliceResult> slices;  ///< one for each row, in the order of the rows
  metrics::RocCurve roc;                     ///< without points where lesion or everything else is missing
};

struct EvaluateOptions {
  std::function<void(std::int64_t done, std::int64_t total)> on_progress;  ///< after every few slices
  std::stop_token stop;                                                    ///< looked at between batches
  double tolerance = 2;                                                    ///< of the surface Dice, in pixels
};

/// A model's predictions for a dataset, at the dataset's size. Both must outlive it.
class Predictor {
 public:
  /// Error when the model does not know lesion.
  Predictor(inference::Engine& engine, const dataset::Dataset& dataset);

  /// For some rows, in their order. Each slice is on its own: the others of the batch change nothing. What the model's
  /// preprocessing leaves open is decided by all slices that the dataset has of the row's case.
  /// Error as Engine::run() and interpret(), naming the model and the row.
  std::vector<SlicePrediction> predict(std::span<const std::int64_t> rows);

 private:
  const dataset::Preprocessing& preprocessing_of(const std::string& case_name);
  std::vector<float> finished_images(std::span<const std::int64_t> rows);

  inference::Engine& engine_;
  const dataset::Dataset& dataset_;
  std::map<std::string, dataset::Preprocessing> of_cases_;
};

/// Collects what models say about rows of a dataset, each model about its own, and then has the figures of all of them together:
/// of one model, or of the folds of a cross-validation.
///
/// Images go through the model's own preprocessing from equalisation on, at the dataset's size; a warning is logged when the
/// model was trained at another size or in another window of Hounsfield units. Memory: a few slices and 4 bytes a pixel (metrics/roc.hpp).
class Evaluator {
 public:
  /// `expected_rows` in all: they are what progress counts, and memory is taken for. The dataset must outlive this.
  Evaluator(const dataset::Dataset& dataset, std::size_t expected_rows, EvaluateOptions options);

  /// Interrupted when `stop` is asked for. Errors: as predict(); Error when a model has other classes than the one before.
  void add(inference::Engine& engine, std::span<const std::int64_t> rows);

  /// The rows are called `part`. Error when there were none.
  Evaluation finish(const std::string& part);

 private:
  const dataset::Dataset& dataset_;
  std::size_t expected_rows_;
  EvaluateOptions options_;
  metrics::RocAccumulator roc_;
  std::optional<dataset::ClassMap> classes_;
  std::vector<metrics::SliceResult> slices_;
};

/// The figures of one model on `rows` (as Split::rows() gives them).
Evaluation evaluate(inference::Engine& engine, const dataset::Dataset& dataset, std::span<const std::int64_t> rows,
                    const std::string& part, const EvaluateOptions& options = {});

}  // namespace pulmoseg::evaluation
