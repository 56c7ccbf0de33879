#include "pulmoseg/dataset/dataset_info.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"

namespace pulmoseg::dataset {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* schema = "pulmoseg.dataset/1";

Json json_of(const SourceVolume& source) {
  return {{"image", source.image},
          {"lesion_mask", source.lesion_mask},
          {"lung_mask", source.lung_mask.empty() ? Json() : Json(source.lung_mask)},
          {"format", source.format},
          {"grid", source.grid},
          {"slices", source.slices},
          {"hounsfield_slices", source.hounsfield_slices},
          {"notes", source.notes}};
}

SourceVolume source_of(const Json& json) {
  const Json& lung_mask = json.at("lung_mask");
  return {.image = json.at("image"),
          .lesion_mask = json.at("lesion_mask"),
          .lung_mask = lung_mask.is_null() ? "" : lung_mask.get<std::string>(),
          .format = json.at("format"),
          .grid = json.at("grid"),
          .slices = json.at("slices"),
          .hounsfield_slices = json.value("hounsfield_slices", std::int64_t{0}),
          .notes = json.at("notes")};
}

Json json_of(const CaseInfo& info) {
  return {{"case", info.name},
          {"patient", info.patient},
          {"slices", info.slices},
          {"slices_with_lesion", info.slices_with_lesion},
          {"lesion_pixels", info.lesion_pixels},
          {"lung_mask", info.has_lung_mask}};
}

CaseInfo case_of(const Json& json) {
  return {.name = json.at("case"),
          .patient = json.at("patient"),
          .slices = json.at("slices"),
          .slices_with_lesion = json.at("slices_with_lesion"),
          .lesion_pixels = json.at("lesion_pixels"),
          .has_lung_mask = json.at("lung_mask")};
}

}  // namespace

std::string to_json(const DatasetInfo& info) {
  Json json{{"schema", schema},
            {"research_use", research_use},
            {"producer", info.producer},
            {"size", info.preprocessing.size},
            {"preprocessing", info.preprocessing.to_metadata()},
            {"unrelated_slices", info.unrelated_slices},
            {"sources", Json::array()},
            {"cases", Json::array()}};
  for (const auto& source : info.sources) json["sources"].push_back(json_of(source));
  for (const auto& one : info.cases) json["cases"].push_back(json_of(one));
  // File names need not be UTF-8; JSON must be.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

DatasetInfo read_dataset_info(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  try {
    const Json json = Json::parse(text);
    if (const std::string found = json.at("schema"); found != schema) {
      throw Error(fmt::format("{}: has schema {}, expected {}; prepare the dataset again with this version",
                              file.string(), found, schema));
    }
    DatasetInfo info{.producer = json.at("producer"),
                     .unrelated_slices = json.at("unrelated_slices"),
                     .preprocessing = Preprocessing::from_metadata(json.at("preprocessing"), file.string()),
                     .sources = {},
                     .cases = {}};
    for (const auto& source : json.at("sources")) info.sources.push_back(source_of(source));
    for (const auto& one : json.at("cases")) info.cases.push_back(case_of(one));
    return info;
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: is not what pulmoseg prepare writes ({}); prepare the dataset again", file.string(),
                            error.what()));
  }
}

}  // namespace pulmoseg::dataset
