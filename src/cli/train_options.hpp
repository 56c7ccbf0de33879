#pragma once
// The options of a training, which several commands have.

#include <CLI/CLI.hpp>

#include "pulmoseg/training/options.hpp"

namespace pulmoseg::cli {

/// Groups of options in the help text.
inline constexpr const char *what_is_learnt = "What is learnt", *how_it_runs = "How far and how it runs";

/// Every option that decides a training's result, and how it runs; those of the split are the command's own. `options` must
/// live as long as the command. Leaves the command's option_defaults() changed: call it last, or set them anew.
void add_training_options(CLI::App& command, training::TrainingOptions& options);

/// Options that were given on the command line win over `defaults`: those of the recipe, or of the run that is resumed.
void apply_given_options(const CLI::App& command, training::TrainingOptions& options,
                         training::TrainingOptions defaults);

}  // namespace pulmoseg::cli
