#include "pulmoseg/dataset/dataset_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::dataset {
namespace {

namespace fs = std::filesystem;

constexpr const char* all_names[] = {info_name,   images_name,     lesion_masks_name,
                                     labels_name, lung_masks_name, slices_name};

void remove_all_files(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : all_names) fs::remove(folder / name, ignored);
}

/// What a killed run left behind. The lock is ours, so no living run owns these.
void remove_leftovers(const fs::path& folder) {
  remove_unfinished(folder, [](const std::string& name) { return std::ranges::count(all_names, name) > 0; });
}

}  // namespace

DatasetWriter::FolderGuard::FolderGuard(const fs::path& folder) {
  for (fs::path missing = fs::absolute(folder).lexically_normal(); !fs::exists(missing);
       missing = missing.parent_path()) {
    created.push_back(missing);
  }
}

DatasetWriter::FolderGuard::~FolderGuard() {
  std::error_code ignored;
  for (const auto& folder : created) fs::remove(folder, ignored);  // only when empty
}

const fs::path& DatasetWriter::free_folder(const fs::path& folder, bool overwrite) {
  if (fs::exists(folder) && !fs::is_directory(folder)) {
    throw Error(fmt::format("{}: is a file, expected a folder for the dataset", folder.string()));
  }
  for (const char* name : all_names) {
    if (overwrite || !fs::exists(folder / name)) continue;
    throw Error(fmt::format("{}: holds a dataset already ({}); choose another folder, or --overwrite to replace it",
                            folder.string(), name));
  }
  return folder;
}

DatasetWriter::DatasetWriter(const fs::path& folder, const Options& options)
    : preprocessing_(options.preprocessing),
      folder_(free_folder(folder, options.overwrite)),
      guard_(folder),
      lock_(folder) {
  free_folder(folder_, options.overwrite);  // again: another run may have ended before the lock was ours
  remove_leftovers(folder_);
  const std::vector<std::int64_t> shape{preprocessing_.size, preprocessing_.size};
  images_.emplace(folder / images_name, NpyType::float32, shape);
  lesion_masks_.emplace(folder / lesion_masks_name, NpyType::uint8, shape);
  labels_.emplace(folder / labels_name, NpyType::uint8, shape);
  lung_masks_.emplace(folder / lung_masks_name, NpyType::uint8, shape);
}

DatasetWriter::~DatasetWriter() = default;

std::int64_t DatasetWriter::add_slice(std::string case_name, std::string patient, std::int64_t slice,
                                      bool has_lung_mask) {
  const auto row = static_cast<std::int64_t>(slices_.size());
  slices_.push_back({row, std::move(case_name), std::move(patient), slice, false, has_lung_mask});
  lesion_pixels_.push_back(0);
  if (!has_lung_mask) {
    const std::vector<std::uint8_t> none(static_cast<std::size_t>(preprocessing_.size * preprocessing_.size), 0);
    lung_masks_->write_row(row, std::span(none));
  }
  return row;
}

void DatasetWriter::write_image(std::int64_t row, std::span<const float> image) { images_->write_row(row, image); }

void DatasetWriter::write_labels(std::int64_t row, std::span<const std::uint8_t> labels) {
  labels_->write_row(row, labels);
  std::vector<std::uint8_t> lesion(labels.begin(), labels.end());
  for (auto& pixel : lesion) pixel = pixel != 0;
  lesion_masks_->write_row(row, std::span<const std::uint8_t>(lesion));
  const auto index = static_cast<std::size_t>(row);
  lesion_pixels_.at(index) = std::ranges::count(lesion, 1);
  slices_[index].has_lesion = lesion_pixels_[index] > 0;
}

void DatasetWriter::write_lung_mask(std::int64_t row, std::span<const std::uint8_t> mask) {
  std::vector<std::uint8_t> lung(mask.begin(), mask.end());
  for (auto& pixel : lung) pixel = pixel != 0;
  lung_masks_->write_row(row, std::span<const std::uint8_t>(lung));
}

std::string DatasetWriter::slices_text() const {
  std::string text = "row,case,patient,slice,has_lesion,has_lung_mask\n";
  for (const auto& slice : slices_) {
    text += csv_line(std::vector<std::string>{fmt::to_string(slice.row), slice.case_name, slice.patient,
                                              fmt::to_string(slice.slice), slice.has_lesion ? "1" : "0",
                                              slice.has_lung_mask ? "1" : "0"});
  }
  return text;
}

void DatasetWriter::fill_cases(DatasetInfo& info) const {
  info.cases.clear();
  for (const auto& slice : slices_) {
    if (info.cases.empty() || info.cases.back().name != slice.case_name) {
      info.cases.push_back({.name = slice.case_name, .patient = slice.patient, .has_lung_mask = slice.has_lung_mask});
    }
    ++info.cases.back().slices;
    info.cases.back().slices_with_lesion += slice.has_lesion;
    info.cases.back().lesion_pixels += lesion_pixels_[static_cast<std::size_t>(slice.row)];
  }
}

DatasetInfo DatasetWriter::commit(DatasetInfo info) {
  if (slices_.empty()) throw Error(fmt::format("{}: would hold no slice, expected at least one", folder_.string()));
  info.producer = "pulmoseg " PULMOSEG_VERSION;
  info.preprocessing = preprocessing_;
  fill_cases(info);
  // An older dataset stops being one before its first file is replaced, and the new one is one when its last file is
  // there: a power cut in between leaves a folder that is refused, never a mixture.
  std::error_code ignored;
  fs::remove(folder_ / info_name, ignored);
  try {
    put_in_place(info);
  } catch (...) {
    remove_all_files(folder_);
    throw;
  }
  guard_.created.clear();
  return info;
}

void DatasetWriter::put_in_place(const DatasetInfo& info) {
  const auto count = static_cast<std::int64_t>(slices_.size());
  images_->commit(count);
  lesion_masks_->commit(count);
  labels_->commit(count);
  lung_masks_->commit(count);
  write_file(folder_ / slices_name, slices_text());
  write_file(folder_ / info_name, to_json(info));
}

}  // namespace pulmoseg::dataset
