#include "pulmoseg/report/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/report/comparison_notes.hpp"

namespace pulmoseg::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Figure {
  const char *group, *key, *label, *unit, *pointer;  // where it stands in the JSON
};

constexpr std::array figures{
    Figure{"Both lungs", "percent_affected", "affected", "%", "/percent_affected"},
    Figure{"Both lungs", "lesion_ml", "lesion", "ml", "/lesion/volume_ml"},
    Figure{"Both lungs", "lung_ml", "lung", "ml", "/lung/volume_ml"},
    Figure{"Both lungs", "lesion_outside_lung_ml", "lesion outside", "ml", "/lesion/outside_lung_ml"},
    Figure{"Left lung", "left_percent_affected", "affected", "%", "/sides/left/percent_affected"},
    Figure{"Left lung", "left_lesion_ml", "lesion", "ml", "/sides/left/lesion_ml"},
    Figure{"Left lung", "left_lung_ml", "lung", "ml", "/sides/left/lung_ml"},
    Figure{"Right lung", "right_percent_affected", "affected", "%", "/sides/right/percent_affected"},
    Figure{"Right lung", "right_lesion_ml", "lesion", "ml", "/sides/right/lesion_ml"},
    Figure{"Right lung", "right_lung_ml", "lung", "ml", "/sides/right/lung_ml"},
    Figure{"Thirds of the lungs", "upper_percent_affected", "upper, affected", "%", "/thirds/upper/percent_affected"},
    Figure{"Thirds of the lungs", "upper_lesion_ml", "upper, lesion", "ml", "/thirds/upper/lesion_ml"},
    Figure{"Thirds of the lungs", "middle_percent_affected", "middle, affected", "%",
           "/thirds/middle/percent_affected"},
    Figure{"Thirds of the lungs", "middle_lesion_ml", "middle, lesion", "ml", "/thirds/middle/lesion_ml"},
    Figure{"Thirds of the lungs", "lower_percent_affected", "lower, affected", "%", "/thirds/lower/percent_affected"},
    Figure{"Thirds of the lungs", "lower_lesion_ml", "lower, lesion", "ml", "/thirds/lower/lesion_ml"},
    Figure{"Parts of the lesion", "lesion_parts", "number", "", "/lesion/parts/count"},
    Figure{"Parts of the lesion", "largest_part_ml", "largest", "ml", "/lesion/parts/largest/0/volume_ml"},
    Figure{"Parts of the lesion", "parts_below_0.1_ml", "below 0.1 ml", "", "/lesion/parts/sizes/0/parts"},
    Figure{"Parts of the lesion", "parts_0.1_to_1_ml", "0.1 to 1 ml", "", "/lesion/parts/sizes/1/parts"},
    Figure{"Parts of the lesion", "parts_1_to_10_ml", "1 to 10 ml", "", "/lesion/parts/sizes/2/parts"},
    Figure{"Parts of the lesion", "parts_10_to_100_ml", "10 to 100 ml", "", "/lesion/parts/sizes/3/parts"},
    Figure{"Parts of the lesion", "parts_from_100_ml", "from 100 ml", "", "/lesion/parts/sizes/4/parts"},
    Figure{"Density of the lung", "mean_hu", "mean", "HU", "/density/mean_hu"},
    Figure{"Density of the lung", "standard_deviation_hu", "deviation", "HU", "/density/standard_deviation_hu"},
    Figure{"Density of the lung", "mean_hu_of_lesion", "mean of lesion", "HU", "/density/mean_hu_of_lesion"},
    Figure{"Density of the lung", "mean_hu_without_lesion", "mean of the rest", "HU",
           "/density/mean_hu_without_lesion"},
    Figure{"Density of the lung", "mass_g", "mass", "g", "/density/mass_g"},
    Figure{"Density of the lung", "percent_below_-1050_hu", "below -1050 HU", "%", "/density/bands/0/percent_of_lung"},
    Figure{"Density of the lung", "percent_-1050_to_-950_hu", "-1050 to -950 HU", "%",
           "/density/bands/1/percent_of_lung"},
    Figure{"Density of the lung", "percent_-950_to_-750_hu", "-950 to -750 HU", "%",
           "/density/bands/2/percent_of_lung"},
    Figure{"Density of the lung", "percent_-750_to_-400_hu", "-750 to -400 HU", "%",
           "/density/bands/3/percent_of_lung"},
    Figure{"Density of the lung", "percent_-400_to_0_hu", "-400 to 0 HU", "%", "/density/bands/4/percent_of_lung"},
    Figure{"Density of the lung", "percent_from_0_hu", "from 0 HU", "%", "/density/bands/5/percent_of_lung"}};

bool is_measurements(const Json& json) {
  return json.is_object() && json.value("schema", Json()) == measurements_schema;
}

/// The JSON of measurements in a folder, if it is the only one.
fs::path only_case_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    if (is_measurements(Json::parse(read_file(entry.path()), nullptr, /*allow_exceptions=*/false)))
      found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  throw Error(fmt::format("{}: holds the measurements of {} scans, expected one; name its NAME.json", folder.string(),
                          found.size()));
}

template <class T>
std::optional<T> find(const Json& json, const char* pointer) {
  const Json value = json.value(Json::json_pointer(pointer), Json());
  return value.is_null() ? std::nullopt : std::optional(value.get<T>());
}

std::string text_of(const Json& json, const char* pointer) {
  return find<std::string>(json, pointer).value_or(std::string());
}

/// What the model says of itself.
std::string metadata_of(const Json& json, const char* key) {
  const Json metadata = json.value(Json::json_pointer("/model/metadata"), Json());
  return metadata.is_object() ? metadata.value(key, "") : "";
}

ComparedCase case_of(const fs::path& file, const Json& json) {
  const StoredCase stored = read_case(file);
  ComparedCase compared{.file = file,
                        .image = text_of(json, "/image"),
                        .study = {.date = text_of(json, "/study/date"),
                                  .time = text_of(json, "/study/time"),
                                  .series_description = text_of(json, "/study/series_description"),
                                  .convolution_kernel = text_of(json, "/study/convolution_kernel"),
                                  .study_instance_uid = text_of(json, "/study/study_instance_uid"),
                                  .series_instance_uid = text_of(json, "/study/series_instance_uid"),
                                  .slice_thickness_mm = find<double>(json, "/study/slice_thickness_mm")},
                        .spacing = find<std::vector<double>>(json, "/grid/spacing_mm"),
                        .models = stored.models,
                        .recipe = metadata_of(json, "pulmoseg.recipe"),
                        .classes = metadata_of(json, "pulmoseg.classes"),
                        .precision = text_of(json, "/model/precision"),
                        .mirrors = stored.mirrors,
                        .version = text_of(json, "/pulmoseg_version"),
                        .severity = text_of(json, "/severity/grade"),
                        .has_density = !json.value("density", Json()).is_null(),
                        .notes = {}};
  for (const Json& note : json.at("notes"))
    compared.notes.push_back({note.at("code").get<std::string>(), note.at("text").get<std::string>()});
  return compared;
}

/// Days since 1970 of "2020-04-01".
std::optional<int> day_of(const std::string& date) {
  if (date.size() != 10) return std::nullopt;
  const auto year = parse_number<int>(date.substr(0, 4));
  const auto month = parse_number<unsigned>(date.substr(5, 2)), day = parse_number<unsigned>(date.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day calendar{std::chrono::year(*year), std::chrono::month(*month),
                                             std::chrono::day(*day)};
  if (!calendar.ok()) return std::nullopt;
  return static_cast<int>(std::chrono::sys_days(calendar).time_since_epoch().count());
}

Json read_measurements(const fs::path& file) {
  Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!is_measurements(json))
    throw Error(
        fmt::format("{}: is no measurements of segment or quantify (schema {})", file.string(), measurements_schema));
  return json;
}

}  // namespace

std::optional<double> ComparedFigure::change() const {
  return earlier && later ? std::optional(*later - *earlier) : std::nullopt;
}

std::optional<double> ComparedFigure::relative_change_percent() const {
  const bool is_amount = unit.empty() || unit == "ml" || unit == "g";
  if (!is_amount || !change() || *earlier == 0) return std::nullopt;
  return 100 * *change() / *earlier;
}

bool ComparedCase::has_note(std::string_view code) const {
  return std::ranges::find(notes, code, &Note::code) != notes.end();
}

const ComparedFigure& Comparison::figure(std::string_view key) const {
  const auto found = std::ranges::find(figures, key, &ComparedFigure::key);
  if (found == figures.end()) throw Error(fmt::format("a comparison has no figure {}", key));
  return *found;
}

Comparison compare_cases(const fs::path& earlier, const fs::path& later) {
  const auto file_of = [](const fs::path& path) { return fs::is_directory(path) ? only_case_in(path) : path; };
  const fs::path file_before = file_of(earlier), file_after = file_of(later);
  const Json before = read_measurements(file_before), after = read_measurements(file_after);
  try {
    Comparison comparison{.earlier = case_of(file_before, before),
                          .later = case_of(file_after, after),
                          .same_content = before == after,
                          .days = {},
                          .figures = {},
                          .notes = {}};
    const auto first = day_of(comparison.earlier.study.date), second = day_of(comparison.later.study.date);
    if (first && second) comparison.days = *second - *first;
    for (const auto& [group, key, label, unit, pointer] : figures) {
      comparison.figures.push_back(
          {group, key, label, unit, find<double>(before, pointer), find<double>(after, pointer)});
    }
    comparison.notes = notes_on(comparison);
    return comparison;
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{} or {}: is not what segment or quantify wrote ({})", file_before.string(),
                            file_after.string(), error.what()));
  }
}

}  // namespace pulmoseg::report
