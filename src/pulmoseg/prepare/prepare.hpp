#pragma once
// CT volumes and their masks into a dataset of axial slices.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>

#include "pulmoseg/dataset/dataset_writer.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/prepare/case_source.hpp"

namespace pulmoseg::prepare {

struct PrepareOptions {
  /// Rows and columns of the prepared slices.
  std::int64_t size = 256;

  /// Slices in Hounsfield units are cut to it; a model that is trained on the dataset then does so with new scans too.
  std::optional<dataset::Window> window = {};

  /// The files are stacks of slices of different people: each slice becomes a case and a patient of its own, named
  /// NAME_001, NAME_002 and so on. Also takes 2-D files.
  bool unrelated_slices = false;

  /// Replace a dataset that the folder holds already.
  bool overwrite = false;

  /// Called after each slice of an image, for progress.
  std::function<void(std::int64_t done, std::int64_t total, std::string_view case_name)> on_slice;

  /// Asked between slices. When it says stop, Interrupted is thrown and no dataset is written.
  std::stop_token stop;
};

/// Prepares the cases, in their order, into `folder` (dataset.hpp says what it then holds). Slices are axial whatever
/// the axis order of the file, and the rows of a case run from its lowest slice up. Masks are resized by nearest
/// neighbour with the pixel centres of the image.
///
/// All headers are looked at before the first voxel. Any error, of any case, is thrown and leaves no dataset behind: a
/// dataset is whole or not at all.
///
/// Memory: one slice at a time; volumes that are not stored slice by slice, and masks that need resampling, are held
/// once. Errors: Error, UsageError, Interrupted. Threads: none of its own; two calls must not share a folder (the
/// second throws).
dataset::DatasetInfo prepare(std::span<const CaseSource> cases, const std::filesystem::path& folder,
                             const PrepareOptions& options);

}  // namespace pulmoseg::prepare
