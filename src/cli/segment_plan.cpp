#include "segment_plan.hpp"

#include <fmt/format.h>

#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/scan_name.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

/// The same path for every way to write it; links are followed as far as they exist.
fs::path identity(const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)); }

std::set<fs::path> identify_inputs(const std::vector<fs::path>& inputs) {
  std::set<fs::path> known;
  for (const auto& input : inputs) {
    if (known.insert(identity(input)).second) continue;
    throw UsageError(fmt::format("{}: is named twice among the inputs", input.string()));
  }
  return known;
}

SegmentCase name_results(std::string name, const fs::path& input, const SegmentPlan& plan) {
  SegmentCase result{.input = input,
                     .lung_mask = {},
                     .name = std::move(name),
                     .mask = {},
                     .measurements = {},
                     .picture = {},
                     .lung = {},
                     .probabilities = {}};
  const auto in_folder = [&](std::string_view ending) { return plan.folder / (result.name + std::string(ending)); };
  result.mask = in_folder("_lesion." + plan.format);
  if (plan.lung) result.lung = in_folder("_lung." + plan.format);
  if (plan.probabilities) result.probabilities = in_folder("_lesion_probability." + plan.format);
  result.measurements = in_folder(".json");
  result.picture = in_folder(".png");
  return result;
}

std::vector<fs::path> results_of(const SegmentCase& planned) {
  std::vector<fs::path> files{planned.mask, planned.measurements, planned.picture};
  for (const auto& file : {planned.lung, planned.probabilities}) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

void check_results(const SegmentCase& planned, const std::set<fs::path>& read, bool overwrite) {
  for (const auto& file : results_of(planned)) {
    if (!fs::exists(file)) continue;
    if (!overwrite) {
      throw Error(fmt::format("{}: exists already, so nothing was computed; choose another folder or say --overwrite",
                              file.string()));
    }
    if (read.contains(identity(file))) {
      throw UsageError(
          fmt::format("{}: would be replaced by a result and is an input; choose another folder", file.string()));
    }
  }
}

}  // namespace

std::vector<SegmentCase> plan_cases(const std::vector<fs::path>& inputs, const std::vector<fs::path>& lung_masks,
                                    SegmentPlan plan) {
  plan.lung = plan.lung && lung_masks.empty();
  if (!lung_masks.empty() && lung_masks.size() != inputs.size()) {
    throw UsageError(fmt::format("--lung-mask is given {} times for {} inputs, expected one for each or none",
                                 lung_masks.size(), inputs.size()));
  }
  std::set<fs::path> read = identify_inputs(inputs);
  for (const auto& mask : lung_masks) read.insert(identity(mask));

  // Results of two cases must not meet in one file: not "ct" twice, and not "a" with probabilities and "a_lesion" without.
  std::set<fs::path> taken;
  std::vector<SegmentCase> cases;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = volume::scan_name(inputs[i]);
    const auto is_free = [&](const SegmentCase& candidate) {
      for (const auto& file : results_of(candidate)) {
        if (taken.contains(file)) return false;
      }
      return true;
    };
    auto planned = name_results(name, inputs[i], plan);
    for (int number = 2; !is_free(planned); ++number)
      planned = name_results(fmt::format("{}_{}", name, number), inputs[i], plan);
    if (!lung_masks.empty()) planned.lung_mask = lung_masks[i];
    for (const auto& file : results_of(planned)) taken.insert(file);
    check_results(planned, read, plan.overwrite);
    cases.push_back(std::move(planned));
  }
  return cases;
}

}  // namespace pulmoseg::cli
