#pragma once
// A dataset: the slices that `pulmoseg prepare` made, in one folder.
//
//   images.npy        float32  N x H x W   in [0, 1], each slice resized and min-max scaled
//   lesion_masks.npy  uint8    N x H x W   1 where the source has any lesion label
//   labels.npy        uint8    N x H x W   the source's own lesion labels (e.g. 1 ground glass, 2 consolidation)
//   lung_masks.npy    uint8    N x H x W   1 in the lung; all 0 for slices without a lung mask
//   slices.csv        row,case,patient,slice,has_lesion,has_lung_mask: one line an array row
//   dataset.json      where it came from and how it was made (dataset_info.hpp)
//
// Slices stand in the usual picture: columns run to the patient's left, rows to the back, and slice 0 of a case is the
// lowest (most inferior).

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/dataset/dataset_info.hpp"
#include "pulmoseg/dataset/npy.hpp"

namespace pulmoseg::dataset {

struct SliceRecord {
  std::int64_t row = 0;  ///< index into the arrays
  std::string case_name, patient;
  std::int64_t slice = 0;      ///< index in its volume, from the lowest
  bool has_lesion = false;     ///< after resizing
  bool has_lung_mask = false;  ///< the source had one, empty or not

  bool operator==(const SliceRecord&) const = default;
};

/// The files of a dataset. dataset.json is written last: where it is missing there is no dataset.
inline constexpr const char* images_name = "images.npy";
inline constexpr const char* lesion_masks_name = "lesion_masks.npy";
inline constexpr const char* labels_name = "labels.npy";
inline constexpr const char* lung_masks_name = "lung_masks.npy";
inline constexpr const char* slices_name = "slices.csv";
inline constexpr const char* info_name = "dataset.json";

/// A dataset on disk, memory-mapped: opening it is cheap and it may be larger than memory.
///
/// Errors: open() throws Error when a file is missing or damaged or when the files disagree about the number of slices
/// or their size. A row outside [0, size()) is a mistake of the caller's (std::out_of_range). Threads: reading from
/// several at once is safe.
class Dataset {
 public:
  static Dataset open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  std::int64_t size() const { return static_cast<std::int64_t>(slices_.size()); }  ///< number of slices
  std::int64_t rows() const { return images_.shape()[1]; }
  std::int64_t columns() const { return images_.shape()[2]; }

  /// rows() * columns() values each, row-major.
  std::span<const float> image(std::int64_t row) const { return slice_of(images_.floats(), row); }
  std::span<const std::uint8_t> lesion_mask(std::int64_t row) const { return slice_of(lesion_masks_.bytes(), row); }
  std::span<const std::uint8_t> labels(std::int64_t row) const { return slice_of(labels_.bytes(), row); }
  std::span<const std::uint8_t> lung_mask(std::int64_t row) const { return slice_of(lung_masks_.bytes(), row); }

  const std::vector<SliceRecord>& slices() const { return slices_; }
  const DatasetInfo& info() const { return info_; }

  /// 16 hexadecimal digits of which row is which slice of which case and patient (FNV-1a). The same scans prepared at
  /// another size have the same fingerprint, so a split made for one fits the other.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  explicit Dataset(const std::filesystem::path& folder);
  void check_agreement() const;

  template <class T>
  std::span<const T> slice_of(std::span<const T> values, std::int64_t row) const {
    const auto pixels = static_cast<std::size_t>(rows() * columns());
    return values.subspan(slices_.at(static_cast<std::size_t>(row)).row * pixels, pixels);
  }

  std::filesystem::path folder_;
  DatasetInfo info_;
  NpyFile images_, lesion_masks_, labels_, lung_masks_;
  std::vector<SliceRecord> slices_;
  std::string fingerprint_;
};

}  // namespace pulmoseg::dataset
