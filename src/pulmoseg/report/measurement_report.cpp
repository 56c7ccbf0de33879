#include "pulmoseg/report/measurement_report.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/json_values.hpp"

namespace pulmoseg::report {
namespace {

using Json = nlohmann::ordered_json;

Json name_or_null(const std::filesystem::path& file) { return file.empty() ? Json(nullptr) : Json(own_name(file)); }

Json grid_json(const quantify::Measurements& measurements) {
  const auto& grid = measurements.grid;
  return {
      {"size", grid.size},
      {"spacing_mm", measurements.known_spacing != quantify::KnownSpacing::none ? Json(grid.spacing) : Json(nullptr)},
      {"origin_mm", grid.origin},
      {"direction", grid.direction},
      {"voxel_volume_ml", or_null(measurements.voxel_volume_ml)},
      {"pixel_area_mm2", or_null(measurements.pixel_area_mm2)}};
}

Json study_json(const Study& study) {
  if (study == Study()) return nullptr;
  return {{"date", or_null(study.date)},
          {"time", or_null(study.time)},
          {"series_description", or_null(study.series_description)},
          {"convolution_kernel", or_null(study.convolution_kernel)},
          {"slice_thickness_mm", or_null(study.slice_thickness_mm)},
          {"study_instance_uid", or_null(study.study_instance_uid)},
          {"series_instance_uid", or_null(study.series_instance_uid)}};
}

/// By name: {"left": {…}, "right": {…}}.
Json regions_json(const std::vector<quantify::RegionMeasurements>& regions) {
  if (regions.empty()) return nullptr;
  Json json;
  for (const auto& region : regions) {
    json[region.name] = {{"lung_voxels", region.lung_voxels},
                         {"lung_ml", or_null(region.lung_ml)},
                         {"lesion_voxels", region.lesion_voxels},
                         {"lesion_ml", or_null(region.lesion_ml)},
                         {"percent_affected", or_null(region.percent_affected)}};
  }
  return json;
}

Json sizes_json(const std::vector<quantify::SizeClass>& sizes) {
  if (sizes.empty()) return nullptr;
  Json json = Json::array();
  for (const auto& size : sizes) {
    json.push_back({{"from_ml", size.from_ml},
                    {"to_ml", or_null(size.to_ml)},
                    {"parts", size.parts},
                    {"volume_ml", or_null(size.ml)}});
  }
  return json;
}

Json parts_json(const quantify::Measurements& measurements) {
  constexpr std::size_t most = 100;
  const auto& parts = measurements.lesion_parts;
  Json largest = Json::array();
  for (const auto& part : std::span(parts).first(std::min(most, parts.size()))) {
    largest.push_back({{"voxels", part.voxels},
                       {"volume_ml", or_null(part.ml)},
                       {"first_slice", part.first_slice},
                       {"last_slice", part.last_slice},
                       {"centre_mm", measurements.orientation_known ? Json(part.centre) : Json(nullptr)},
                       {"side", or_null(part.side)}});
  }
  return {{"count", parts.size()}, {"sizes", sizes_json(measurements.lesion_sizes)}, {"largest", largest}};
}

Json band_json(const quantify::HounsfieldBand& band) {
  const auto limit = [](double hu) { return std::isfinite(hu) ? Json(hu) : Json(nullptr); };
  return {{"from_hu", limit(band.from_hu)},
          {"to_hu", limit(band.to_hu)},
          {"voxels", band.voxels},
          {"volume_ml", or_null(band.ml)},
          {"percent_of_lung", or_null(band.percent_of_lung)}};
}

Json density_json(const std::optional<quantify::LungDensity>& density) {
  if (!density) return nullptr;
  Json bands = Json::array({band_json(density->below)});
  for (const auto& band : density->bands) bands.push_back(band_json(band));
  bands.push_back(band_json(density->above));
  return {{"mean_hu", or_null(density->mean_hu)},
          {"standard_deviation_hu", or_null(density->standard_deviation_hu)},
          {"mean_hu_of_lesion", or_null(density->mean_hu_of_lesion)},
          {"mean_hu_without_lesion", or_null(density->mean_hu_without_lesion)},
          {"mass_g", or_null(density->mass_g)},
          {"bands", bands}};
}

Json severity_json(const std::optional<quantify::Severity>& severity) {
  if (!severity) return nullptr;
  return {{"grade", severity->grade}, {"meaning", severity->meaning}, {"source", severity->source}};
}

Json slice_json(const quantify::SliceMeasurements& slice) {
  return {{"index", slice.index},
          {"instance_number", or_null(slice.instance_number)},
          {"frame_number", or_null(slice.frame_number)},
          {"lesion_voxels", slice.lesion_voxels},
          {"lesion_area_mm2", or_null(slice.lesion_area_mm2)},
          {"lesion_outside_lung_voxels", or_null(slice.lesion_outside_lung_voxels)},
          {"lung_voxels", or_null(slice.lung_voxels)},
          {"lung_area_mm2", or_null(slice.lung_area_mm2)},
          {"percent_affected", or_null(slice.percent_affected)}};
}

Json model_json(const Provenance& provenance) {
  if (provenance.model.empty()) return nullptr;
  Json metadata = Json::object();
  for (const auto& [key, value] : provenance.model_metadata) metadata[key] = value;
  Json further = Json::array();
  for (const auto& [file, sha256] : provenance.further_models)
    further.push_back({{"file", name_or_null(file)}, {"sha256", sha256}});
  return {{"file", name_or_null(provenance.model)},     {"sha256", or_null(provenance.model_sha256)},
          {"mirrors_averaged", provenance.mirrors},     {"averaged_with", further},
          {"precision", or_null(provenance.precision)}, {"metadata", metadata}};
}

Json to_json(const quantify::Measurements& measurements, const Provenance& provenance) {
  Json notes = Json::array(), slices = Json::array();
  for (const auto& note : measurements.notes) notes.push_back({{"code", note.code}, {"text", note.text}});
  for (const auto& slice : measurements.slices) slices.push_back(slice_json(slice));
  return {{"schema", measurements_schema},
          {"research_use", research_use},
          {"pulmoseg_version", provenance.version},
          {"image", name_or_null(provenance.image)},
          {"image_fingerprint", or_null(provenance.image_fingerprint)},
          {"lesion_mask", name_or_null(provenance.lesion_mask)},
          {"lung_mask", name_or_null(provenance.lung_mask)},
          {"study", study_json(provenance.study)},
          {"model", model_json(provenance)},
          {"grid", grid_json(measurements)},
          {"lesion",
           {{"voxels", measurements.lesion_voxels},
            {"volume_ml", or_null(measurements.lesion_ml)},
            {"slices", measurements.lesion_slices},
            {"outside_lung_voxels", or_null(measurements.lesion_outside_lung_voxels)},
            {"outside_lung_ml", or_null(measurements.lesion_outside_lung_ml)},
            {"expected_dice", or_null(measurements.expected_dice)},
            {"parts", parts_json(measurements)}}},
          {"lung",
           {{"voxels", or_null(measurements.lung_voxels)},
            {"volume_ml", or_null(measurements.lung_ml)},
            {"sides_touch", measurements.sides.empty() ? Json(nullptr) : Json(measurements.lungs_touch)}}},
          {"percent_affected", or_null(measurements.percent_affected)},
          {"severity", severity_json(measurements.severity)},
          {"sides", regions_json(measurements.sides)},
          {"thirds", regions_json(measurements.thirds)},
          {"density", density_json(measurements.density)},
          {"notes", notes},
          {"slices", slices}};
}

/// "2020-04-01" and "13:45:10" of DICOM's "20200401" and "134510.123"; empty for anything else.
std::string written_out(const std::string& text, std::size_t first, char separator) {
  if (text.size() < first + 4 || text.find_first_not_of("0123456789") < first + 4) return {};
  return text.substr(0, first) + separator + text.substr(first, 2) + separator + text.substr(first + 2, 2);
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

Study study_of(const volume::SourceInfo& source) {
  const auto value = [&](const char* keyword) {
    const auto found = source.attributes.find(keyword);
    return found == source.attributes.end() ? std::string() : found->second;
  };
  if (value("SeriesInstanceUID").empty()) return {};
  return {.date = written_out(value("StudyDate"), 4, '-'),
          .time = written_out(value("StudyTime"), 2, ':'),
          .series_description = value("SeriesDescription"),
          .convolution_kernel = value("ConvolutionKernel"),
          .study_instance_uid = value("StudyInstanceUID"),
          .series_instance_uid = value("SeriesInstanceUID"),
          .slice_thickness_mm = parse_number<double>(value("SliceThickness"))};
}

PixelSpacing pixel_spacing(const volume::Geometry& grid) { return {grid.spacing[0], grid.spacing[1]}; }

}  // namespace pulmoseg::report
