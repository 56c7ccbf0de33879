#include "pulmoseg/report/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"

namespace pulmoseg::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* schema = "pulmoseg.measurements/1";

struct Figure {
  const char *key, *label, *unit, *pointer;  // where it stands in the JSON
};

constexpr std::array figures{
    Figure{"percent_affected", "lung affected", "%", "/percent_affected"},
    Figure{"lesion_ml", "lesion", "ml", "/lesion/volume_ml"},
    Figure{"lung_ml", "lung", "ml", "/lung/volume_ml"},
    Figure{"lesion_outside_lung_ml", "lesion outside of lung", "ml", "/lesion/outside_lung_ml"},
    Figure{"left_percent_affected", "left lung affected", "%", "/sides/left/percent_affected"},
    Figure{"left_lesion_ml", "left lesion", "ml", "/sides/left/lesion_ml"},
    Figure{"left_lung_ml", "left lung", "ml", "/sides/left/lung_ml"},
    Figure{"right_percent_affected", "right lung affected", "%", "/sides/right/percent_affected"},
    Figure{"right_lesion_ml", "right lesion", "ml", "/sides/right/lesion_ml"},
    Figure{"right_lung_ml", "right lung", "ml", "/sides/right/lung_ml"},
    Figure{"upper_percent_affected", "upper third affected", "%", "/thirds/upper/percent_affected"},
    Figure{"upper_lesion_ml", "upper lesion", "ml", "/thirds/upper/lesion_ml"},
    Figure{"middle_percent_affected", "middle third affected", "%", "/thirds/middle/percent_affected"},
    Figure{"middle_lesion_ml", "middle lesion", "ml", "/thirds/middle/lesion_ml"},
    Figure{"lower_percent_affected", "lower third affected", "%", "/thirds/lower/percent_affected"},
    Figure{"lower_lesion_ml", "lower lesion", "ml", "/thirds/lower/lesion_ml"},
    Figure{"lesion_parts", "lesion parts", "", "/lesion/parts/count"},
    Figure{"largest_part_ml", "largest part", "ml", "/lesion/parts/largest/0/volume_ml"},
    Figure{"parts_below_0.1_ml", "parts below 0.1 ml", "", "/lesion/parts/sizes/0/parts"},
    Figure{"parts_0.1_to_1_ml", "parts of 0.1 to 1 ml", "", "/lesion/parts/sizes/1/parts"},
    Figure{"parts_1_to_10_ml", "parts of 1 to 10 ml", "", "/lesion/parts/sizes/2/parts"},
    Figure{"parts_10_to_100_ml", "parts of 10 to 100 ml", "", "/lesion/parts/sizes/3/parts"},
    Figure{"parts_from_100_ml", "parts from 100 ml", "", "/lesion/parts/sizes/4/parts"},
    Figure{"mean_hu", "mean density", "HU", "/density/mean_hu"},
    Figure{"standard_deviation_hu", "its standard deviation", "HU", "/density/standard_deviation_hu"},
    Figure{"mean_hu_of_lesion", "mean of lesion", "HU", "/density/mean_hu_of_lesion"},
    Figure{"mean_hu_without_lesion", "mean without lesion", "HU", "/density/mean_hu_without_lesion"},
    Figure{"mass_g", "lung mass", "g", "/density/mass_g"},
    Figure{"percent_below_-1050_hu", "below -1050 HU", "%", "/density/bands/0/percent_of_lung"},
    Figure{"percent_-1050_to_-950_hu", "-1050 to -950 HU", "%", "/density/bands/1/percent_of_lung"},
    Figure{"percent_-950_to_-750_hu", "-950 to -750 HU", "%", "/density/bands/2/percent_of_lung"},
    Figure{"percent_-750_to_-400_hu", "-750 to -400 HU", "%", "/density/bands/3/percent_of_lung"},
    Figure{"percent_-400_to_0_hu", "-400 to 0 HU", "%", "/density/bands/4/percent_of_lung"},
    Figure{"percent_from_0_hu", "from 0 HU", "%", "/density/bands/5/percent_of_lung"}};

bool is_measurements(const Json& json) { return json.is_object() && json.value("schema", Json()) == schema; }

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

ComparedCase case_of(const fs::path& file, const Json& json) {
  ComparedCase compared{.file = file,
                        .image = text_of(json, "/image"),
                        .study = {.date = text_of(json, "/study/date"),
                                  .time = text_of(json, "/study/time"),
                                  .series_description = text_of(json, "/study/series_description"),
                                  .convolution_kernel = text_of(json, "/study/convolution_kernel"),
                                  .study_instance_uid = text_of(json, "/study/study_instance_uid"),
                                  .series_instance_uid = text_of(json, "/study/series_instance_uid")},
                        .models = read_case(file).models,
                        .severity = text_of(json, "/severity/grade"),
                        .notes = {}};
  for (const Json& note : json.at("notes")) compared.notes.push_back(note.at("code").get<std::string>());
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

void note_dates(Comparison& comparison) {
  const auto &a = comparison.earlier.study, &b = comparison.later.study;
  if (!comparison.days) {
    comparison.notes.push_back(
        {"dates_unknown", "a date is not known, so the order is the one in which they were named"});
  } else if (*comparison.days < 0 || (*comparison.days == 0 && !a.time.empty() && b.time < a.time && !b.time.empty())) {
    comparison.notes.push_back(
        {"dates_in_wrong_order", fmt::format("the one named as the later ({} {}) was made before the earlier ({} {})",
                                             b.date, b.time, a.date, a.time)});
  }
}

void note_origin(Comparison& comparison, const Json& earlier, const Json& later) {
  const auto &a = comparison.earlier, &b = comparison.later;
  const bool same_series =
      !a.study.series_instance_uid.empty() && a.study.series_instance_uid == b.study.series_instance_uid;
  if (same_series || fs::equivalent(a.file, b.file) || earlier == later)
    comparison.notes.push_back({"same_scan", "both are of the same scan"});
  if (a.models != b.models) {
    comparison.notes.push_back(
        {"models_differ", a.models.empty() || b.models.empty()
                              ? "the masks of one were there already, those of the other are a model's"
                              : "the masks are of different models"});
  }
  if (!a.models.empty() || !b.models.empty()) {
    comparison.notes.push_back(
        {"measurement_error",
         "a model's percentage of the lung may be off: for the shipped recipe 95 % of its differences from a person's "
         "lay "
         "between -10.7 and 8.3 points (16 scans, docs/evaluation.md); a smaller change may be none"});
  }
}

void note_scans(Comparison& comparison, const Json& earlier, const Json& later) {
  const auto lung_before = find<double>(earlier, "/lung/volume_ml"),
             lung_after = find<double>(later, "/lung/volume_ml");
  if (lung_before && lung_after && std::abs(*lung_after - *lung_before) > 0.2 * std::max(*lung_before, *lung_after)) {
    comparison.notes.push_back({"lung_volume_differs",
                                "the lung volumes differ by more than 20 %: another depth of breath, field of view or "
                                "mask; percentages and densities depend on it"});
  }
  const auto spacing_before = find<std::vector<double>>(earlier, "/grid/spacing_mm");
  const auto spacing_after = find<std::vector<double>>(later, "/grid/spacing_mm");
  const auto differ = [](double a, double b) { return std::abs(a - b) > 0.1 * std::max(a, b); };
  if (spacing_before.has_value() != spacing_after.has_value() ||
      (spacing_before && !std::ranges::equal(*spacing_before, *spacing_after, std::not_fn(differ)))) {
    comparison.notes.push_back(
        {"spacing_differs",
         "the voxels differ in size by more than 10 %, or one size is not known; small lesions and "
         "counts depend on it"});
  }
  const auto &kernel = comparison.earlier.study.convolution_kernel, &other = comparison.later.study.convolution_kernel;
  if (!kernel.empty() && !other.empty() && kernel != other) {
    comparison.notes.push_back(
        {"kernel_differs",
         fmt::format("reconstructed with different kernels ({}, {}); densities depend on it", kernel, other)});
  }
  if (earlier.value("density", Json()).is_null() != later.value("density", Json()).is_null())
    comparison.notes.push_back({"density_of_one_only", "densities are known of one of the two only"});
}

Json read_measurements(const fs::path& file) {
  Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!is_measurements(json))
    throw Error(fmt::format("{}: is no measurements of segment or quantify (schema {})", file.string(), schema));
  return json;
}

Json case_json(const ComparedCase& compared) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  return {{"file", compared.file.filename().string()},
          {"image", or_null(compared.image)},
          {"date", or_null(compared.study.date)},
          {"time", or_null(compared.study.time)},
          {"study_instance_uid", or_null(compared.study.study_instance_uid)},
          {"series_instance_uid", or_null(compared.study.series_instance_uid)},
          {"models", compared.models},
          {"severity", or_null(compared.severity)},
          {"notes", compared.notes}};
}

Json value_or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

std::string shown(std::optional<double> value, const std::string& unit, const char* format) {
  if (!value) return "unknown";
  const std::string number = unit.empty() ? fmt::format("{:.0f}", *value) : fmt::format(fmt::runtime(format), *value);
  return unit.empty() ? number : number + " " + unit;
}

std::string change_text(const ComparedFigure& figure) {
  const auto change = figure.change();
  if (!change) return "unknown";
  std::string text = figure.unit.empty()
                         ? fmt::format("{:+.0f}", *change)
                         : fmt::format("{:+.2f} {}", *change, figure.unit == "%" ? "points" : figure.unit);
  if (const auto relative = figure.relative_change_percent()) text += fmt::format(" ({:+.1f} %)", *relative);
  return text;
}

std::string line(const std::string& label, const std::string& earlier, const std::string& later,
                 const std::string& change) {
  return fmt::format("{:<24}{:>14}{:>14}   {}\n", label, earlier, later, change);
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

Comparison compare_cases(const fs::path& earlier, const fs::path& later) {
  const auto file_of = [](const fs::path& path) { return fs::is_directory(path) ? only_case_in(path) : path; };
  const fs::path file_before = file_of(earlier), file_after = file_of(later);
  const Json before = read_measurements(file_before), after = read_measurements(file_after);
  try {
    Comparison comparison{.earlier = case_of(file_before, before),
                          .later = case_of(file_after, after),
                          .days = {},
                          .figures = {},
                          .notes = {}};
    const auto first = day_of(comparison.earlier.study.date), second = day_of(comparison.later.study.date);
    if (first && second) comparison.days = *second - *first;
    for (const auto& [key, label, unit, pointer] : figures)
      comparison.figures.push_back({key, label, unit, find<double>(before, pointer), find<double>(after, pointer)});
    note_dates(comparison);
    note_origin(comparison, before, after);
    note_scans(comparison, before, after);
    return comparison;
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{} or {}: is not what segment or quantify wrote ({})", file_before.string(),
                            file_after.string(), error.what()));
  }
}

std::string comparison_json(const Comparison& comparison, const std::string& version) {
  Json list = Json::array(), notes = Json::array();
  for (const auto& figure : comparison.figures) {
    list.push_back({{"figure", figure.key},
                    {"unit", figure.unit.empty() ? Json(nullptr) : Json(figure.unit)},
                    {"earlier", value_or_null(figure.earlier)},
                    {"later", value_or_null(figure.later)},
                    {"change", value_or_null(figure.change())},
                    {"relative_change_percent", value_or_null(figure.relative_change_percent())}});
  }
  for (const auto& note : comparison.notes) notes.push_back({{"code", note.code}, {"text", note.text}});
  const Json json{{"schema", "pulmoseg.comparison/1"},
                  {"research_use", research_use},
                  {"pulmoseg_version", version},
                  {"earlier", case_json(comparison.earlier)},
                  {"later", case_json(comparison.later)},
                  {"days", comparison.days ? Json(*comparison.days) : Json(nullptr)},
                  {"figures", list},
                  {"notes", notes}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text =
      csv_line(std::vector<std::string>{"figure", "unit", "earlier", "later", "change", "relative_change_percent"});
  const auto cell = [](std::optional<double> value) { return value ? fmt::format("{}", *value) : std::string(); };
  for (const auto& figure : comparison.figures) {
    text += csv_line(std::vector<std::string>{figure.key, figure.unit, cell(figure.earlier), cell(figure.later),
                                              cell(figure.change()), cell(figure.relative_change_percent())});
  }
  return text;
}

std::string comparison_text(const Comparison& comparison) {
  const auto &a = comparison.earlier, &b = comparison.later;
  const auto known = [](const std::string& text) { return text.empty() ? std::string("unknown") : text; };
  std::string text = line("", "earlier", "later", "change");
  text += line("date", known(a.study.date), known(b.study.date),
               comparison.days ? fmt::format("{:+} days", *comparison.days) : "");
  text += line("severity", known(a.severity), known(b.severity), "");
  for (const auto& figure : comparison.figures) {
    if (!figure.earlier && !figure.later) continue;
    text += line(figure.label, shown(figure.earlier, figure.unit, "{:.2f}"), shown(figure.later, figure.unit, "{:.2f}"),
                 change_text(figure));
  }
  for (const auto& note : comparison.notes) text += fmt::format("note: {}\n", note.text);
  return text + std::string(research_use) + "\n";
}

}  // namespace pulmoseg::report
