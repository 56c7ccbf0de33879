#pragma once
// Makes a dataset, slice by slice, in constant memory.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::dataset {

/// Writes the files of dataset.hpp into a folder that it keeps to itself. The dataset appears whole when commit() is
/// called; without that nothing is left behind, and a folder that the writer had to create is removed again.
///
/// Use: add_slice() for each slice in the order of the rows, then the three write functions for each row in any order.
/// Errors: Error when the folder is in use, when it holds a dataset and `overwrite` is false, or when the disk is full.
/// Threads: one at a time.
class DatasetWriter {
 public:
  struct Options {
    Preprocessing preprocessing;
    bool overwrite = false;  ///< replace a dataset that is there already
  };
  DatasetWriter(const std::filesystem::path& folder, const Options& options);
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;
  ~DatasetWriter();

  /// Announces the next slice and returns its row.
  std::int64_t add_slice(std::string case_name, std::string patient, std::int64_t slice, bool has_lung_mask);

  /// size * size values each: an image in [0, 1], the source's lesion labels, a lung mask (non-zero is lung).
  void write_image(std::int64_t row, std::span<const float> image);
  void write_labels(std::int64_t row, std::span<const std::uint8_t> labels);
  void write_lung_mask(std::int64_t row, std::span<const std::uint8_t> mask);

  const std::vector<SliceRecord>& slices() const { return slices_; }

  /// Fills in what the slices say (cases, producer, preprocessing), writes the rest and puts everything in place.
  /// Returns what stands in dataset.json.
  DatasetInfo commit(DatasetInfo info);

 private:
  /// Removes a folder that the writer created, when it is empty at the end. Destroyed after the lock and the files.
  struct FolderGuard {
    explicit FolderGuard(const std::filesystem::path& folder);
    ~FolderGuard();
    std::vector<std::filesystem::path> created;
  };
  static const std::filesystem::path& free_folder(const std::filesystem::path& folder, bool overwrite);
  std::string slices_text() const;
  void fill_cases(DatasetInfo& info) const;
  void put_in_place(const DatasetInfo& info);

  Preprocessing preprocessing_;
  std::filesystem::path folder_;
  FolderGuard guard_;
  FolderLock lock_;
  std::optional<NpyWriter> images_, lesion_masks_, labels_, lung_masks_;
  std::vector<SliceRecord> slices_;
  std::vector<std::int64_t> lesion_pixels_;  // of each slice
};

}  // namespace pulmoseg::dataset
