// Inspection of scans, masks, datasets and arrays.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <span>

#include "inspect_facts.hpp"
#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/quantify/inspection.hpp"
#include "pulmoseg/volume/dicom_series.hpp"
#include "pulmoseg/volume/segmentation_file.hpp"

namespace pulmoseg::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Attributes that describe the machine and not the person.
constexpr std::array shown_attributes{"Modality",       "Manufacturer",      "BodyPartExamined",
                                      "SliceThickness", "ConvolutionKernel", "RescaleType"};

Json geometry_facts(const quantify::Inspection& found) {
  const auto& grid = found.geometry;
  Json spacing, extent;  // null: the header declares none
  if (quantify::known_spacing(found.source) != quantify::KnownSpacing::none) {
    spacing = grid.spacing;
    for (std::size_t axis = 0; axis < 3; ++axis)
      extent.push_back(static_cast<double>(grid.size[axis]) * grid.spacing[axis]);
  }
  return {{"size", grid.size},
          {"spacing_mm", spacing},
          {"extent_mm", extent},
          {"origin_mm", grid.origin},
          {"direction", grid.direction},
          {"stored", volume::describe(found.source.stored_geometry)},
          {"position_declared", found.source.has_geometry}};
}

Json header_facts(const volume::SourceInfo& source) {
  Json facts{{"voxel_type", volume::name(source.voxel_type)}, {"slope", source.slope}, {"intercept", source.intercept}};
  if (source.nifti) {
    facts["qform_code"] = source.nifti->qform_code;
    facts["sform_code"] = source.nifti->sform_code;
  }
  if (!source.frames.empty()) facts["slices"] = source.frames.size();
  for (const std::string keyword : shown_attributes) {
    if (const auto found = source.attributes.find(keyword); found != source.attributes.end())
      facts[keyword] = found->second;
  }
  return facts;
}

Json intensity_facts(const quantify::IntensityStatistics& found) {
  return {{"scale", quantify::describe(found.scale)},
          {"hounsfield", found.scale == quantify::IntensityScale::hounsfield},
          {"minimum", found.minimum},
          {"percentile_1", found.percentile_1},
          {"median", found.median},
          {"percentile_99", found.percentile_99},
          {"maximum", found.maximum},
          {"mean", found.mean},
          {"standard_deviation", found.standard_deviation},
          {"whole_numbers", found.whole_numbers},
          {"constant_slices", found.constant_slices.size()}};
}

/// Null: unknown.
Json series_facts(const volume::DicomSeries& series) {
  const auto known = [](const auto& value) { return value ? Json(*value) : Json(); };
  constexpr std::array kinds{"volume", "derived", "other"};
  return {{"number", known(series.number)},
          {"description", series.description},
          {"slices", series.images},
          {"size", {series.columns, series.rows}},
          {"spacing_mm", {known(series.spacing[0]), known(series.spacing[1]), known(series.spacing[2])}},
          {"kind", kinds[static_cast<std::size_t>(series.kind)]},
          {"why_not", series.why_not.empty() ? Json() : Json(series.why_not)},
          {"uid", series.series_uid},
          {"damaged_files", series.damaged.size()}};
}

/// How many could be taken without being asked for.
std::ptrdiff_t volumes_among(const std::vector<volume::DicomSeries>& found) {
  using volume::DicomSeriesKind;
  const auto count = [&](DicomSeriesKind kind) { return std::ranges::count(found, kind, &volume::DicomSeries::kind); };
  const auto originals = count(DicomSeriesKind::volume);
  return originals > 0 ? originals : count(DicomSeriesKind::derived);
}

std::int64_t lesion_pixels(const dataset::Dataset& data) {
  std::int64_t pixels = 0;
  for (std::int64_t row = 0; row < data.size(); ++row)
    pixels += std::ranges::count_if(data.lesion_mask(row), [](auto v) { return v != 0; });
  return pixels;
}

/// The smallest and the largest of those that are finite, and how many are not.
template <class Value>
struct Range {
  std::optional<std::pair<Value, Value>> finite;
  std::int64_t not_finite = 0;
};

template <class Value>
Range<Value> range_of(std::span<const Value> values) {
  Range<Value> range;
  for (const Value value : values) {
    if (!std::isfinite(static_cast<float>(value))) {
      ++range.not_finite;
    } else {
      const auto [low, high] = range.finite.value_or(std::pair(value, value));
      range.finite = {std::min(low, value), std::max(high, value)};
    }
  }
  return range;
}

std::vector<quantify::Note> dataset_warnings(const dataset::Dataset& data, std::int64_t with_lesion,
                                             std::size_t patients) {
  std::vector<quantify::Note> warnings;
  if (with_lesion == data.size()) {
    warnings.push_back({"no_negative_slices", "every slice has lesion; a model never sees a healthy one"});
  }
  if (with_lesion == 0) warnings.push_back({"no_lesion", "no slice has lesion"});
  if (data.info().unrelated_slices) {
    warnings.push_back(
        {"patients_unknown",
         "the slices are unrelated and the true patients unknown; a patient-wise split cannot be trusted"});
  } else if (patients < 3) {
    warnings.push_back({"few_patients", fmt::format("{} patients; a patient-wise split needs at least 3", patients)});
  }
  std::int64_t constant = 0, not_finite = 0;
  for (std::int64_t row = 0; row < data.size(); ++row) {
    const auto range = range_of(data.image(row));
    constant += range.finite && range.finite->first == range.finite->second;
    not_finite += range.not_finite > 0;
  }
  if (not_finite > 0)
    warnings.push_back({"not_finite", fmt::format("{} of {} slices hold NaN or infinite values; a network learns "
                                                  "nothing from them: prepare the dataset again",
                                                  not_finite, data.size())});
  if (constant > 0)
    warnings.push_back({"constant_slices", fmt::format("{} of {} slices hold one value only", constant, data.size())});
  return warnings;
}

InspectedFile inspect_segmentation(const volume::SegmentationFile& found) {
  InspectedFile result{.kind = "segmentation", .warnings = {}};
  result.facts = {{"format", found.format},
                  {"size", found.geometry.size},
                  {"spacing_mm", found.geometry.spacing},
                  {"grid", volume::describe(found.geometry)}};
  for (const auto& segment : found.segments)
    result.facts["segments"].push_back(
        {{"number", segment.number},
         {"name", segment.name},
         {"code", segment.type.value.empty() ? Json() : Json(segment.type.value)},
         {"scheme", segment.type.scheme.empty() ? Json() : Json(segment.type.scheme)},
         {"meaning", segment.type.meaning.empty() ? Json() : Json(segment.type.meaning)}});
  return result;
}

}  // namespace

InspectedFile inspect_image(const std::filesystem::path& file, const std::string& series) {
  InspectedFile result;
  if (std::filesystem::is_regular_file(file)) {
    const auto found = volume::describe_segmentation(file);
    if (!found.format.empty()) return inspect_segmentation(found);
  }
  if (std::filesystem::is_directory(file) || volume::may_hold_dicom(file)) {
    const auto found = volume::find_dicom_series(file);
    for (const auto& one : found) result.facts["series"].push_back(series_facts(one));
    if (series.empty() && volumes_among(found) != 1) {
      result.kind = "DICOM files";
      return result;
    }
  }
  const auto found = quantify::inspect_volume(file, volume::OpenOptions{.series = series});
  result.kind = found.intensities.scale == quantify::IntensityScale::labels ? "mask" : "CT volume";
  result.facts.update({{"format", found.source.format},
                       {"geometry", geometry_facts(found)},
                       {"header", header_facts(found.source)},
                       {"intensities", intensity_facts(found.intensities)}});
  result.warnings = found.warnings;
  return result;
}

InspectedFile inspect_dataset(const std::filesystem::path& folder) {
  const auto data = dataset::Dataset::open(folder);
  std::set<std::string> patients;
  std::int64_t with_lesion = 0, with_lung = 0;
  for (const auto& slice : data.slices()) {
    patients.insert(slice.patient);
    with_lesion += slice.has_lesion;
    with_lung += slice.has_lung_mask;
  }
  const auto pixels = static_cast<double>(data.size() * data.rows() * data.columns());
  InspectedFile result;
  result.kind = "dataset";
  result.facts = {
      {"slices", data.size()},
      {"size", {data.columns(), data.rows()}},
      {"cases", data.info().cases.size()},
      {"patients", data.info().unrelated_slices ? Json() : Json(patients.size())},
      {"slices_with_lesion", with_lesion},
      {"slices_with_lung_mask", with_lung},
      {"lesion_percent_of_pixels", pixels > 0 ? 100 * static_cast<double>(lesion_pixels(data)) / pixels : 0},
      {"fingerprint", data.fingerprint()},
      {"made_by", data.info().producer}};
  result.warnings = dataset_warnings(data, with_lesion, patients.size());
  return result;
}

InspectedFile inspect_array(const std::filesystem::path& npy) {
  const auto file = dataset::NpyFile::open(npy);
  const bool floats = file.type() == dataset::NpyType::float32;
  InspectedFile result;
  result.kind = "NumPy array";
  result.facts = {{"shape", file.shape()}, {"type", floats ? "float32" : "uint8"}};
  const auto add_range = [&](auto values) {
    if (values.empty()) return;
    const auto range = range_of(values);
    result.facts["minimum"] = range.finite ? Json(range.finite->first) : Json();
    result.facts["maximum"] = range.finite ? Json(range.finite->second) : Json();
    if (range.not_finite > 0)
      result.warnings.push_back({"not_finite", fmt::format("{} values are NaN or infinite", range.not_finite)});
  };
  if (floats)
    add_range(file.floats());
  else
    add_range(file.bytes());
  return result;
}

}  // namespace pulmoseg::cli
