#pragma once
// What dataset.json says about a dataset: schema "pulmoseg.dataset/1".

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pulmoseg/dataset/preprocessing.hpp"

namespace pulmoseg::dataset {

/// One file (or one DICOM folder) that slices came from.
struct SourceVolume {
  std::string image, lesion_mask, lung_mask;  ///< names without folders; lung_mask is empty where there is none
  std::string format, grid;                   ///< of the image, for people: "NIfTI-1", "630x630x45, spacing ..."
  std::int64_t slices = 0;
  std::int64_t hounsfield_slices = 0;  ///< of them in Hounsfield units (is_hounsfield())
  std::vector<std::string> notes;      ///< what a reader of results should know, e.g. "resampled onto the image's grid"
};

/// One case: the slices that belong to one scan of one patient.
struct CaseInfo {
  std::string name, patient;
  std::int64_t slices = 0, slices_with_lesion = 0;
  std::int64_t lesion_pixels = 0;  ///< after resizing, of all its slices
  bool has_lung_mask = false;
};

struct DatasetInfo {
  std::string producer;           ///< program and version that wrote it
  bool unrelated_slices = false;  ///< every slice is a case of its own and the true patients are not known
  Preprocessing preprocessing;
  std::vector<SourceVolume> sources;
  std::vector<CaseInfo> cases;
};

std::string to_json(const DatasetInfo& info);

/// Error when the file is missing, is not JSON, has another schema or lacks an entry.
DatasetInfo read_dataset_info(const std::filesystem::path& file);

}  // namespace pulmoseg::dataset
