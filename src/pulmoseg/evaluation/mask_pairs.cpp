#include "pulmoseg/evaluation/mask_pairs.hpp"

#include <fmt/format.h>

#include <map>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/scan_name.hpp"

namespace pulmoseg::evaluation {
namespace {
namespace fs = std::filesystem;

std::map<std::string, fs::path> masks_in(const fs::path& folder) {
  std::map<std::string, fs::path> masks;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = volume::mask_name(entry.path());
    if (!volume::is_volume_file(entry.path()) || name.starts_with('.') || entry.is_directory()) continue;
    const auto [found, is_new] = masks.try_emplace(name, entry.path());
    if (!is_new) {
      throw Error(fmt::format("{}: has two masks of one name ({}, {}), expected one a case; remove one",
                              folder.string(), found->second.filename().string(), entry.path().filename().string()));
    }
  }
  if (error) throw Error(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  if (masks.empty())
    throw Error(fmt::format("{}: holds no masks, expected files .nii.gz, .nii, .nrrd or .nhdr", folder.string()));
  return masks;
}

MaskPairs match(const std::map<std::string, fs::path>& predictions, const std::map<std::string, fs::path>& references) {
  MaskPairs result;
  for (const auto& [name, reference] : references) {
    if (const auto found = predictions.find(name); found != predictions.end()) {
      result.pairs.push_back({name, found->second, reference});
    } else {
      result.unpaired.push_back({name, "has a reference but no prediction"});
    }
  }
  for (const auto& [name, prediction] : predictions) {
    if (!references.contains(name)) result.unpaired.push_back({name, "has a prediction but no reference"});
  }
  return result;
}

}  // namespace

MaskPairs pair_masks(const fs::path& prediction, const fs::path& reference) {
  for (const auto& path : {prediction, reference}) {
    if (!fs::exists(volume::mask_file(path))) throw Error(fmt::format("{}: no such file or folder", path.string()));
  }
  const bool folders = fs::is_directory(prediction);
  if (folders != fs::is_directory(reference)) {
    throw Error(fmt::format("{} is a {} and {} a {}, expected two masks or two folders of masks", prediction.string(),
                            folders ? "folder" : "file", reference.string(), folders ? "file" : "folder"));
  }
  if (!folders) return {{{volume::mask_name(volume::mask_file(reference)), prediction, reference}}, {}};
  const auto predictions = masks_in(prediction), references = masks_in(reference);
  MaskPairs result = match(predictions, references);
  if (result.pairs.empty()) {
    throw Error(fmt::format("{}: none of its masks ({}, …) has the name of one in {} ({}, …), expected equal names",
                            prediction.string(), predictions.begin()->first, reference.string(),
                            references.begin()->first));
  }
  return result;
}

}  // namespace pulmoseg::evaluation
