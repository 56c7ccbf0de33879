#pragma once
// Where figures must not be written.

#include <filesystem>

namespace pulmoseg::cli {

/// UsageError for a prepared dataset: figures have a slices.csv, too, and --overwrite would put it in place of the dataset's.
void refuse_dataset(const std::filesystem::path& results);

}  // namespace pulmoseg::cli
