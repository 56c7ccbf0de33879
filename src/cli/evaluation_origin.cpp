#include "evaluation_origin.hpp"

#include "pulmoseg/base/own_name.hpp"

namespace pulmoseg::cli {
namespace {

std::string model_name(const std::filesystem::path& onnx) {
  const std::filesystem::path whole = std::filesystem::weakly_canonical(onnx);
  return (whole.parent_path().filename() / whole.filename()).string();
}

}  // namespace

report::EvaluationProvenance provenance_of(const inference::Engine& engine, const dataset::Dataset& dataset,
                                           const std::optional<dataset::Split>& split) {
  report::EvaluationProvenance provenance{.version = PULMOSEG_VERSION,
                                          .model = model_name(engine.file()),
                                          .model_metadata = engine.metadata(),
                                          .dataset = own_name(dataset.folder()),
                                          .dataset_fingerprint = dataset.fingerprint(),
                                          .prediction = {},
                                          .reference = {},
                                          .split = {},
                                          .left_out = {}};
  if (split) {
    provenance.split = report::SplitFacts{split->kind, split->seed, split->fold, split->folds, std::nullopt};
    if (!dataset.info().unrelated_slices) provenance.split->patients_on_both_sides = split->patients_leak(dataset);
  }
  return provenance;
}

}  // namespace pulmoseg::cli
