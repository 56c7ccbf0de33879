#pragma once
// Measurements as files: one JSON a scan (schema "pulmoseg.measurements/1", docs/schemas.md) and one CSV row a scan for
// a cohort's table.
//
// What is not known is null in JSON and an empty cell in CSV. Numbers are written the same in every locale.
// Errors: Error naming the file when it cannot be written.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/image.hpp"

namespace pulmoseg::report {

inline constexpr const char* measurements_schema = "pulmoseg.measurements/1";

/// When and how a scan was made, as its DICOM header says; empty: not said. Nothing of the person.
struct Study {
  std::string date{}, time{}, series_description{}, convolution_kernel{}, study_instance_uid{}, series_instance_uid{};
  std::optional<double> slice_thickness_mm{};  ///< not the distance of slices, which may overlap
  bool operator==(const Study&) const = default;
};

/// Nothing for a scan that is not DICOM.
Study study_of(const volume::SourceInfo& source);

/// Where the figures come from. File names are written without their folders, which may hold a patient's name.
struct Provenance {
  std::string version{};  ///< of pulmoseg
  std::filesystem::path image{}, lesion_mask{};
  std::string image_fingerprint{};    ///< tells the image from others without its name; empty: not said
  std::filesystem::path lung_mask{};  ///< empty: none
  std::filesystem::path model{};      ///< empty: the mask was there already
  std::string model_sha256{};         ///< of the model's file, as `sha256sum` prints it
  std::map<std::string, std::string> model_metadata{};
  std::vector<std::pair<std::filesystem::path, std::string>> further_models{};  ///< averaged with it, and their SHA-256
  bool mirrors = false;                                                         ///< of slices, averaged too
  Study study{};                                                                ///< of the image
  std::string precision{};  ///< of its arithmetic: "fp32", "bf16" or "int8"; empty: no model
};

/// The JSON text, indented, with a line end.
std::string measurements_json(const quantify::Measurements& measurements, const Provenance& provenance);

void write_measurements_json(const quantify::Measurements& measurements, const Provenance& provenance,
                             const std::filesystem::path& json);

/// The table of a cohort (cohort.csv): one line a scan, for base's csv_line().
std::vector<std::string> cohort_columns();
std::vector<std::string> cohort_row(const std::string& name, const quantify::Measurements& measurements,
                                    const Provenance& provenance);

/// A case as its JSON tells it; it is called as that file.
struct StoredCase {
  std::vector<std::string> row;  ///< as cohort_row()
  std::vector<std::string>
      models;  ///< SHA-256 of the model, of those averaged with it; empty: the mask was there already
  bool mirrors = false;
  std::string image_fingerprint;  ///< empty: not said
};

/// What an earlier version did not know is an empty cell. Error when it is no such JSON, or a damaged one.
StoredCase read_case(const std::filesystem::path& measurements_json);

/// A few lines for a terminal: lesion, lung, percent affected, notes.
std::string measurements_text(const quantify::Measurements& measurements);

/// The facts line of a montage: {"12.3 % of the lung affected", "lesion 182.4 ml in 61 of 79 slices"}.
std::vector<std::string> measurement_facts(const quantify::Measurements& measurements);

PixelSpacing pixel_spacing(const volume::Geometry& grid);

}  // namespace pulmoseg::report
