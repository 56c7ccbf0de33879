#include "pulmoseg/report/measurement_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"

namespace pulmoseg::report {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json name_or_null(const std::filesystem::path& file) {
  // A trailing slash (a DICOM folder) leaves an empty last part.
  const auto name = file.has_filename() ? file.filename() : file.parent_path().filename();
  return name.empty() ? Json(nullptr) : Json(name.string());
}

Json grid_json(const quantify::Measurements& measurements) {
  const auto& grid = measurements.grid;
  return {
      {"size", grid.size},
      {"spacing_mm", measurements.known_spacing != quantify::KnownSpacing::none ? Json(grid.spacing) : Json(nullptr)},
      {"origin_mm", grid.origin},
      {"direction", grid.direction},
      {"voxel_volume_ml", value_or_null(measurements.voxel_volume_ml)},
      {"pixel_area_mm2", value_or_null(measurements.pixel_area_mm2)}};
}

Json slice_json(const quantify::SliceMeasurements& slice) {
  return {{"index", slice.index},
          {"lesion_voxels", slice.lesion_voxels},
          {"lesion_area_mm2", value_or_null(slice.lesion_area_mm2)},
          {"lesion_outside_lung_voxels", value_or_null(slice.lesion_outside_lung_voxels)},
          {"lung_voxels", value_or_null(slice.lung_voxels)},
          {"lung_area_mm2", value_or_null(slice.lung_area_mm2)},
          {"percent_affected", value_or_null(slice.percent_affected)}};
}

Json model_json(const Provenance& provenance) {
  if (provenance.model.empty()) return nullptr;
  Json metadata = Json::object();
  for (const auto& [key, value] : provenance.model_metadata) metadata[key] = value;
  Json further = Json::array();
  for (const auto& [file, sha256] : provenance.further_models)
    further.push_back({{"file", name_or_null(file)}, {"sha256", sha256}});
  return {{"file", name_or_null(provenance.model)},
          {"sha256", provenance.model_sha256.empty() ? Json(nullptr) : Json(provenance.model_sha256)},
          {"mirrors_averaged", provenance.mirrors},
          {"averaged_with", further},
          {"precision", provenance.precision.empty() ? Json(nullptr) : Json(provenance.precision)},
          {"metadata", metadata}};
}

Json to_json(const quantify::Measurements& measurements, const Provenance& provenance) {
  Json notes = Json::array(), slices = Json::array();
  for (const auto& note : measurements.notes) notes.push_back({{"code", note.code}, {"text", note.text}});
  for (const auto& slice : measurements.slices) slices.push_back(slice_json(slice));
  return {{"schema", "pulmoseg.measurements/1"},
          {"research_use", research_use},
          {"pulmoseg_version", provenance.version},
          {"image", name_or_null(provenance.image)},
          {"lesion_mask", name_or_null(provenance.lesion_mask)},
          {"lung_mask", name_or_null(provenance.lung_mask)},
          {"model", model_json(provenance)},
          {"grid", grid_json(measurements)},
          {"lesion",
           {{"voxels", measurements.lesion_voxels},
            {"volume_ml", value_or_null(measurements.lesion_ml)},
            {"slices", measurements.lesion_slices},
            {"outside_lung_voxels", value_or_null(measurements.lesion_outside_lung_voxels)},
            {"outside_lung_ml", value_or_null(measurements.lesion_outside_lung_ml)},
            {"expected_dice", value_or_null(measurements.expected_dice)}}},
          {"lung",
           {{"voxels", value_or_null(measurements.lung_voxels)}, {"volume_ml", value_or_null(measurements.lung_ml)}}},
          {"percent_affected", value_or_null(measurements.percent_affected)},
          {"notes", notes},
          {"slices", slices}};
}

template <class T>
std::string cell(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : std::string();
}

std::string volume_text(std::int64_t voxels, const std::optional<double>& ml) {
  return ml ? fmt::format("{:.1f} ml ({} voxels)", *ml, voxels) : fmt::format("{} voxels", voxels);
}

}  // namespace

std::string measurements_json(const quantify::Measurements& measurements, const Provenance& provenance) {
  // File names need not be UTF-8, JSON must be.
  return to_json(measurements, provenance).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_measurements_json(const quantify::Measurements& measurements, const Provenance& provenance,
                             const std::filesystem::path& json) {
  write_file(json, measurements_json(measurements, provenance));
}

std::vector<std::string> cohort_columns() {
  return {"case",
          "slices",
          "lesion_slices",
          "lesion_voxels",
          "lesion_ml",
          "lung_voxels",
          "lung_ml",
          "lesion_outside_lung_voxels",
          "percent_affected",
          "expected_dice",
          "notes"};
}

std::vector<std::string> cohort_row(const std::string& name, const quantify::Measurements& measurements) {
  std::string notes;
  for (const auto& note : measurements.notes) notes += (notes.empty() ? "" : " ") + note.code;
  return {name,
          fmt::format("{}", measurements.grid.size[2]),
          fmt::format("{}", measurements.lesion_slices),
          fmt::format("{}", measurements.lesion_voxels),
          cell(measurements.lesion_ml),
          cell(measurements.lung_voxels),
          cell(measurements.lung_ml),
          cell(measurements.lesion_outside_lung_voxels),
          cell(measurements.percent_affected),
          cell(measurements.expected_dice),
          notes};
}

StoredCase read_case(const std::filesystem::path& measurements_json) {
  try {
    const Json json = Json::parse(read_file(measurements_json));
    if (json.at("schema") != "pulmoseg.measurements/1")
      throw Error(fmt::format("{}: has schema {}, expected pulmoseg.measurements/1", measurements_json.string(),
                              json.at("schema").dump()));
    std::string notes;
    for (const Json& note : json.at("notes")) {
      if (!notes.empty()) notes += ' ';
      notes += note.at("code").get<std::string>();
    }
    const auto cell_of = [&](const char* pointer) {
      const Json& value = json.at(Json::json_pointer(pointer));
      if (value.is_null()) return std::string();
      return value.is_number_integer() ? fmt::format("{}", value.get<std::int64_t>())
                                       : fmt::format("{}", value.get<double>());
    };
    const Json& model = json.at("model");
    std::vector<std::string> models;
    if (!model.is_null()) {
      models.push_back(model.at("sha256").get<std::string>());
      for (const Json& further : model.at("averaged_with")) models.push_back(further.at("sha256").get<std::string>());
    }
    return {
        {measurements_json.stem().string(), cell_of("/grid/size/2"), cell_of("/lesion/slices"),
         cell_of("/lesion/voxels"), cell_of("/lesion/volume_ml"), cell_of("/lung/voxels"), cell_of("/lung/volume_ml"),
         cell_of("/lesion/outside_lung_voxels"), cell_of("/percent_affected"), cell_of("/lesion/expected_dice"), notes},
        models,
        !model.is_null() && model.at("mirrors_averaged").get<bool>()};
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: is not what segment or quantify wrote ({}); run the case again with --overwrite",
                            measurements_json.string(), error.what()));
  }
}

std::string measurements_text(const quantify::Measurements& measurements) {
  std::string text = fmt::format("lesion            {} in {} of {} slices\n",
                                 volume_text(measurements.lesion_voxels, measurements.lesion_ml),
                                 measurements.lesion_slices, measurements.grid.size[2]);
  text += measurements.lung_voxels
              ? fmt::format("lung              {}\n", volume_text(*measurements.lung_voxels, measurements.lung_ml))
              : std::string("lung              unknown\n");
  text += measurements.percent_affected ? fmt::format("percent affected  {:.2f} %\n", *measurements.percent_affected)
                                        : std::string("percent affected  unknown\n");
  if (measurements.expected_dice)
    text += fmt::format("expected Dice     {:.2f} (by the network's own probabilities)\n", *measurements.expected_dice);
  for (const auto& note : measurements.notes) text += fmt::format("note              {}\n", note.text);
  return text;
}

std::vector<std::string> measurement_facts(const quantify::Measurements& measurements) {
  std::vector<std::string> facts;
  if (measurements.percent_affected)
    facts.push_back(fmt::format("{:.1f} % of the lung affected", *measurements.percent_affected));
  facts.push_back(fmt::format("lesion {} in {} of {} slices",
                              measurements.lesion_ml ? fmt::format("{:.1f} ml", *measurements.lesion_ml)
                                                     : fmt::format("{} voxels", measurements.lesion_voxels),
                              measurements.lesion_slices, measurements.grid.size[2]));
  if (measurements.lung_ml) facts.push_back(fmt::format("lung {:.0f} ml", *measurements.lung_ml));
  for (const auto& note : measurements.notes) {
    if (note.code == "spacing_is_default") facts.push_back("spacing 1 x 1 x 1 mm may not be true");
  }
  return facts;
}

PixelSpacing pixel_spacing(const volume::Geometry& grid) { return {grid.spacing[0], grid.spacing[1]}; }

}  // namespace pulmoseg::report
