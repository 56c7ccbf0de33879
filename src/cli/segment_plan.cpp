#include "segment_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/volume/dicom_series.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/scan_name.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

/// The same path for every way to write it; links are followed as far as they exist.
fs::path identity(const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)); }

/// Everything that is read.
std::set<fs::path> identify_inputs(const std::vector<SegmentInput>& inputs) {
  std::set<fs::path> known;
  for (const auto& input : inputs) {
    if (known.insert(identity(input.scan)).second) continue;
    throw UsageError(fmt::format("{}: is named twice among the inputs", input.scan.string()));
  }
  for (const auto& input : inputs) {
    if (input.lung_mask) known.insert(identity(volume::mask_file(*input.lung_mask)));
    for (const auto& file : input.files) known.insert(identity(file));
  }
  return known;
}

SegmentCase name_results(std::string name, const SegmentInput& input, const SegmentPlan& plan) {
  SegmentCase result{.input = input.scan,
                     .files = input.files.empty() ? std::vector{input.scan} : input.files,
                     .fetched = {},
                     .series = plan.series,
                     .lung_mask = input.lung_mask,
                     .name = std::move(name),
                     .mask = {},
                     .measurements = {},
                     .picture = {},
                     .report = {},
                     .lung = {},
                     .probabilities = {},
                     .uncertainty = {},
                     .format = plan.format,
                     .structured_report = {},
                     .source_copies = {},
                     .deidentify = plan.deidentify};
  const auto in_folder = [&](std::string_view ending) { return plan.folder / (result.name + std::string(ending)); };
  if (!input.archive.empty()) {
    result.fetched = plan.folder / fmt::format(".{}.fetched", result.name);
    result.files = {result.fetched};
  }
  if (plan.push) result.push_to = plan.push->empty() ? input.archive : *plan.push;
  const bool own_lung = plan.lung && !input.lung_mask;
  if (plan.format == "dicom-seg") {
    result.mask = in_folder("_seg.dcm");
    if (own_lung) result.lung = result.mask;
    if (plan.probabilities) result.probabilities = in_folder("_lesion_probability_seg.dcm");
    result.structured_report = in_folder("_sr.dcm");
    result.push_record = in_folder("_pushed.csv");
    if (plan.new_uids) result.source_copies = in_folder("_source");
  } else {
    const bool layers = plan.format == "seg.nrrd";
    const std::string ending = layers ? "nrrd" : plan.format;
    result.mask = in_folder(layers ? ".seg.nrrd" : "_lesion." + ending);
    if (own_lung) result.lung = layers ? result.mask : in_folder("_lung." + ending);
    if (plan.probabilities) result.probabilities = in_folder("_lesion_probability." + ending);
    if (plan.uncertainty) result.uncertainty = in_folder("_uncertainty." + ending);
  }
  result.measurements = in_folder(".json");
  result.picture = in_folder(".png");
  result.report = in_folder(".html");
  return result;
}

void check_format(const std::vector<SegmentInput>& inputs, const SegmentPlan& plan) {
  if (plan.format != "dicom-seg") {
    if (plan.deidentify || plan.new_uids) throw UsageError("--deidentify and --new-uids: are of --format dicom-seg");
    if (plan.push) throw UsageError("--push: sends DICOM objects, which only --format dicom-seg makes");
    return;
  }
  const bool to_its_archive = plan.push && plan.push->empty();
  if (plan.uncertainty) throw UsageError("--uncertainty: has no form in DICOM; choose another --format");
  for (const auto& input : inputs) {
    if (to_its_archive && input.archive.empty()) {
      throw UsageError(
          fmt::format("{}: is from no archive, so --push must say to which one: --push SERVER", input.scan.string()));
    }
    if (plan.new_uids && !input.archive.empty() && input.name == own_name(input.scan)) {
      throw UsageError(
          fmt::format("{}: its results would be called by the UID that --new-uids hides; name the case in "
                      "a list (.csv, columns image and case)",
                      input.scan.string()));
    }
    if (!fs::is_regular_file(input.scan) || volume::may_hold_dicom(input.scan)) continue;
    throw UsageError(fmt::format("{}: is no DICOM series, on which --format dicom-seg lies; choose another --format",
                                 input.scan.string()));
  }
}

void check_results(const SegmentCase& planned, const std::set<fs::path>& read, bool replace) {
  for (const auto& file : results_of(planned)) {
    if (!fs::exists(file)) continue;
    if (!replace) {
      throw Error(fmt::format(
          "{}: exists already, so nothing was computed; choose another folder, or say --resume or --overwrite",
          file.string()));
    }
    if (read.contains(identity(file))) {
      throw UsageError(
          fmt::format("{}: would be replaced by a result and is an input; choose another folder, or remove it if a run "
                      "that was stopped left it",
                      file.string()));
    }
  }
}

/// Results of two cases must not meet in one file: not "ct" twice, and not "a" with probabilities and "a_lesion" without.
class Names {
 public:
  explicit Names(const fs::path& folder) : taken_{folder / "cohort.html"} {}

  SegmentCase plan(const SegmentInput& input, const SegmentPlan& plan) {
    auto planned = name_results(input.name, input, plan);
    for (int number = 2; !is_free(planned); ++number)
      planned = name_results(fmt::format("{}_{}", input.name, number), input, plan);
    for (const auto& file : results_of(planned)) taken_.insert(file);
    return planned;
  }

 private:
  bool is_free(const SegmentCase& candidate) const {
    return std::ranges::none_of(results_of(candidate), [&](const fs::path& file) { return taken_.contains(file); });
  }
  std::set<fs::path> taken_;
};

using Number = std::optional<std::int64_t>;

std::pair<Number, Number> two_numbers(const std::string& text, std::string_view separator) {
  const auto split = text.find(separator);
  if (split == std::string::npos) return {parse_number<std::int64_t>(text), std::nullopt};
  return {parse_number<std::int64_t>(text.substr(0, split)),
          parse_number<std::int64_t>(text.substr(split + separator.size()))};
}

}  // namespace

std::vector<fs::path> results_of(const SegmentCase& planned) {
  std::vector<fs::path> files{planned.mask, planned.measurements, planned.picture, planned.report};
  for (const auto& file : {planned.lung, planned.probabilities, planned.uncertainty, planned.structured_report,
                           planned.source_copies, planned.push_record}) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

Shard Shard::parse(const std::string& text) {
  const auto [index, count] = two_numbers(text, "/");
  if (!index || !count || *index < 1 || *index > *count) {
    throw UsageError(fmt::format("--shard {}: expected which of how many, from 1/{} to {}/{}", text, count.value_or(4),
                                 count.value_or(4), count.value_or(4)));
  }
  return {*index, *count};
}

std::optional<Shard> Shard::named(const std::string& name) {
  const auto [index, count] = two_numbers(name, "-of-");
  return index && count && *count > 0 ? std::optional(Shard{*index, *count}) : std::nullopt;
}

std::string Shard::name() const { return fmt::format("{}-of-{}", index, count); }

/// By the Chinese remainder theorem.
bool Shard::shares_cases_with(const Shard& other) const {
  return (index - other.index) % std::gcd(count, other.count) == 0;
}

PlannedCases plan_cases(const std::vector<SegmentInput>& inputs, const SegmentPlan& plan) {
  const std::set<fs::path> read = identify_inputs(inputs);
  check_format(inputs, plan);
  Names names(plan.folder);
  PlannedCases planned;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    SegmentCase one = names.plan(inputs[i], plan);
    if (static_cast<std::int64_t>(i) % plan.shard.count != plan.shard.index - 1) continue;
    const bool done = plan.resume && fs::exists(one.measurements);
    if (!done) check_results(one, read, plan.overwrite || plan.resume);
    (done ? planned.done : planned.to_do).push_back(std::move(one));
  }
  return planned;
}

}  // namespace pulmoseg::cli
