#include "results_folder.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::cli {

void refuse_dataset(const std::filesystem::path& results) {
  if (!std::filesystem::exists(results / dataset::info_name)) return;
  throw UsageError(fmt::format("{}: is a prepared dataset ({}), expected a folder for results; choose another one",
                               results.string(), dataset::info_name));
}

}  // namespace pulmoseg::cli
