#pragma once
// Where the figures of an evaluation come from, for every command that evaluates.

#include <optional>

#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "pulmoseg/report/metrics_report.hpp"

namespace pulmoseg::cli {

report::EvaluationProvenance provenance_of(const inference::Engine& engine, const dataset::Dataset& dataset,
                                           const std::optional<dataset::Split>& split);

}  // namespace pulmoseg::cli
