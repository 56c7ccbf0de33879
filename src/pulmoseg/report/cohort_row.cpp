// A case's measurements as a row of its cohort's table.

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/report/measurement_report.hpp"

namespace pulmoseg::report {
namespace {

using Json = nlohmann::ordered_json;

/// The columns of a cohort's table between the case and its notes, and where they stand in a case's JSON.
constexpr std::array<std::pair<const char*, const char*>, 19> cohort_cells{
    {{"study_date", "/study/date"},
     {"slices", "/grid/size/2"},
     {"lesion_slices", "/lesion/slices"},
     {"lesion_voxels", "/lesion/voxels"},
     {"lesion_ml", "/lesion/volume_ml"},
     {"lesion_parts", "/lesion/parts/count"},
     {"lung_voxels", "/lung/voxels"},
     {"lung_ml", "/lung/volume_ml"},
     {"lesion_outside_lung_voxels", "/lesion/outside_lung_voxels"},
     {"percent_affected", "/percent_affected"},
     {"severity", "/severity/grade"},
     {"left_percent_affected", "/sides/left/percent_affected"},
     {"right_percent_affected", "/sides/right/percent_affected"},
     {"upper_percent_affected", "/thirds/upper/percent_affected"},
     {"middle_percent_affected", "/thirds/middle/percent_affected"},
     {"lower_percent_affected", "/thirds/lower/percent_affected"},
     {"mean_hu", "/density/mean_hu"},
     {"mass_g", "/density/mass_g"},
     {"expected_dice", "/lesion/expected_dice"}}};

std::string cell(const Json& json, const char* pointer) {
  const Json value = json.value(Json::json_pointer(pointer), Json());
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_integer() ? fmt::format("{}", value.get<std::int64_t>())
                                   : fmt::format("{}", value.get<double>());
}

std::vector<std::string> row_of(const std::string& name, const Json& json) {
  std::vector<std::string> row{name};
  for (const auto& [column, pointer] : cohort_cells) row.push_back(cell(json, pointer));
  std::string notes;
  for (const Json& note : json.at("notes")) {
    if (!notes.empty()) notes += ' ';
    notes += note.at("code").get<std::string>();
  }
  row.push_back(notes);
  return row;
}

}  // namespace

std::vector<std::string> cohort_columns() {
  std::vector<std::string> columns{"case"};
  for (const auto& [column, pointer] : cohort_cells) columns.emplace_back(column);
  columns.emplace_back("notes");
  return columns;
}

std::vector<std::string> cohort_row(const std::string& name, const quantify::Measurements& measurements,
                                    const Provenance& provenance) {
  return row_of(name, Json::parse(measurements_json(measurements, provenance)));
}

StoredCase read_case(const std::filesystem::path& measurements_json) {
  try {
    const Json json = Json::parse(read_file(measurements_json));
    if (json.at("schema") != measurements_schema) {
      throw Error(fmt::format("{}: has schema {}, expected {}", measurements_json.string(), json.at("schema").dump(),
                              measurements_schema));
    }
    const Json& model = json.at("model");
    std::vector<std::string> models;
    if (!model.is_null()) {
      models.push_back(model.at("sha256").get<std::string>());
      for (const Json& further : model.at("averaged_with")) models.push_back(further.at("sha256").get<std::string>());
    }
    for (const char* part : {"grid", "lesion", "lung", "percent_affected"}) (void)json.at(part);
    const auto fingerprint = json.find("image_fingerprint");
    return {.row = row_of(measurements_json.stem().string(), json),
            .models = models,
            .mirrors = !model.is_null() && model.at("mirrors_averaged").get<bool>(),
            .image_fingerprint =
                fingerprint != json.end() && fingerprint->is_string() ? fingerprint->get<std::string>() : ""};
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: is not what segment or quantify wrote ({}); run the case again with --overwrite",
                            measurements_json.string(), error.what()));
  }
}

}  // namespace pulmoseg::report
