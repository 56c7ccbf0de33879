#pragma once
// One training as a command shows it: what it is trained on, progress on the terminal, a line an epoch, the curves.

#include <filesystem>
#include <string>

#include "pulmoseg/training/train.hpp"

namespace pulmoseg::cli {

/// training::train() on rank 0, with history.png beside its files (in a build with imaging).
training::TrainingResult train_and_show(const dataset::Dataset& dataset, const dataset::Split& split,
                                        const std::filesystem::path& run, const training::TrainingOptions& options,
                                        training::ProcessGroup& group);

/// ", pooled Dice 0.7312" of the validation part, or nothing where it is undefined.
std::string describe_dice(const training::EpochRecord& record);

}  // namespace pulmoseg::cli
