#include "pulmoseg/prepare/case_source.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/scan_name.hpp"

namespace pulmoseg::prepare {
namespace {

namespace fs = std::filesystem;

constexpr const char* image_folder = "rp_im";
constexpr const char* lesion_folder = "rp_msk";
constexpr const char* lung_folder = "rp_lung_msk";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct NaturalLess {
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
};
using VolumesByName = std::map<std::string, fs::path, NaturalLess>;

/// scan.raw or scan.raw.gz beside scan.nhdr.
bool holds_voxels_of_a_header(const fs::path& file) {
  const fs::path name = file.extension() == ".gz" ? file.stem() : file.filename();
  return fs::exists(file.parent_path() / name.stem().concat(".nhdr"));
}

/// A case's name goes into JSON, which is UTF-8.
void require_utf8(const CaseSource& one) {
  try {
    (void)nlohmann::json(one.name).dump();
  } catch (const nlohmann::json::type_error&) {
    throw Error(fmt::format("{}: its name is not UTF-8; rename it, or name the case in a table for --cases",
                            one.image.string()));
  }
}

enum class Listed { images, masks };

/// A ZIP may hold a DICOM series, as a folder may.
bool may_be_one(const fs::directory_entry& entry, Listed what) {
  if (entry.is_directory() || volume::is_volume_file(entry.path())) return true;
  return what == Listed::images && volume::has_ending(entry.path().filename().string(), ".zip");
}

VolumesByName list_volumes(const fs::path& folder, Listed what) {
  VolumesByName volumes;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file_name = entry.path().filename().string();
    if (file_name.starts_with('.')) continue;
    if (!may_be_one(entry, what)) {
      if (holds_voxels_of_a_header(entry.path())) continue;
      spdlog::warn("{}: is no .nii, .nii.gz, .nrrd or .nhdr file and is ignored", entry.path().string());
      continue;
    }
    const auto name_of = what == Listed::images ? volume::scan_name : volume::mask_name;
    const auto [place, added] = volumes.emplace(name_of(entry.path()), entry.path());
    if (!added) {
      throw Error(fmt::format("{}: two files are named {}: {} and {}; remove or rename one", folder.string(),
                              place->first, place->second.filename().string(), file_name));
    }
  }
  return volumes;
}

/// What cases.csv says about patients; nothing where there is no such file.
std::map<std::string, std::string> read_patients(const fs::path& file) {
  std::map<std::string, std::string> patients;
  if (!fs::exists(file)) return patients;
  const CsvTable table = read_csv(file);
  const auto name = table.column("case"), patient = table.column("patient");
  for (const auto& cells : table.rows) {
    if (cells[patient].empty()) continue;
    const auto [place, added] = patients.emplace(cells[name], cells[patient]);
    if (!added && place->second != cells[patient]) {
      throw Error(fmt::format("{}: gives case {} to two patients, {} and {}; correct one row", file.string(),
                              cells[name], place->second, cells[patient]));
    }
  }
  return patients;
}

void require_images_for(const VolumesByName& masks, const VolumesByName& images, const fs::path& folder) {
  for (const auto& [name, mask] : masks) {
    if (images.contains(name)) continue;
    throw Error(fmt::format("{}: has no image named {} in {}; add the image or remove the mask", mask.string(), name,
                            (folder / image_folder).string()));
  }
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a, whole_b = b;
  const auto take_number = [](std::string_view& text) {
    const auto digits = static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
    auto number = text.substr(0, digits);
    text.remove_prefix(digits);
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
    return number;
  };
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const auto number_a = take_number(a), number_b = take_number(b);
      if (number_a.size() != number_b.size()) return number_a.size() < number_b.size();
      if (number_a != number_b) return number_a < number_b;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1), b.remove_prefix(1);
    }
  }
  if (a.empty() != b.empty()) return a.empty();
  return whole_a < whole_b;  // 01 and 1 are equal as numbers
}

std::vector<CaseSource> find_cases(const fs::path& folder) {
  for (const char* needed : {image_folder, lesion_folder}) {
    if (fs::is_directory(folder / needed)) continue;
    throw Error(
        fmt::format("{}: holds no folder {}, expected images in {}/, lesion masks in {}/ and, if there are any, lung "
                    "masks in {}/; for other layouts see --image and --cases",
                    folder.string(), needed, image_folder, lesion_folder, lung_folder));
  }
  const auto images = list_volumes(folder / image_folder, Listed::images);
  const auto lesion_masks = list_volumes(folder / lesion_folder, Listed::masks);
  const bool has_lungs = fs::is_directory(folder / lung_folder);
  const auto lung_masks = has_lungs ? list_volumes(folder / lung_folder, Listed::masks) : VolumesByName{};
  if (images.empty()) {
    throw Error(fmt::format("{}: holds no .nii, .nii.gz, .nrrd or .nhdr file, expected at least one",
                            (folder / image_folder).string()));
  }
  require_images_for(lesion_masks, images, folder);
  require_images_for(lung_masks, images, folder);

  const fs::path patients_file = folder / "cases.csv";
  const auto patients = read_patients(patients_file);
  if (!fs::exists(patients_file) && images.size() > 1) {
    spdlog::warn(
        "{}: is missing, so each of the {} cases counts as a patient of its own; write it, with the columns "
        "case and patient, where cases share one",
        patients_file.string(), images.size());
  }
  std::vector<CaseSource> cases;
  for (const auto& [name, image] : images) {
    const auto lesion_mask = lesion_masks.find(name), lung_mask = lung_masks.find(name);
    if (lesion_mask == lesion_masks.end()) {
      throw Error(
          fmt::format("{}: has no lesion mask named {} in {}; add the mask (all 0 where there is no lesion) or remove "
                      "the image",
                      image.string(), name, (folder / lesion_folder).string()));
    }
    if (has_lungs && lung_mask == lung_masks.end()) spdlog::info("{}: has no lung mask", name);
    const auto patient = patients.find(name);
    if (patient == patients.end() && fs::exists(patients_file)) {
      spdlog::warn("{}: names no patient for case {}; it counts as a patient of its own", patients_file.string(), name);
    }
    cases.push_back({.name = name,
                     .patient = patient == patients.end() ? name : patient->second,
                     .image = image,
                     .lesion_mask = lesion_mask->second,
                     .lung_mask = lung_mask == lung_masks.end() ? std::nullopt : std::optional(lung_mask->second)});
  }
  check_names(cases);
  return cases;
}

std::vector<CaseSource> read_cases(const fs::path& file) {
  const CsvTable table = read_csv(file);
  const auto name = table.column("case"), image = table.column("image"), lesion_mask = table.column("lesion_mask");
  const auto patient = table.find_column("patient"), lung_mask = table.find_column("lung_mask");
  if (table.rows.empty()) throw Error(fmt::format("{}: names no case, expected at least one row", file.string()));
  const auto resolve = [&](const std::string& cell) { return file.parent_path() / cell; };

  std::vector<CaseSource> cases;
  for (const auto& cells : table.rows) {
    for (const auto needed : {name, image, lesion_mask}) {
      if (!cells[needed].empty()) continue;
      throw Error(fmt::format("{}: row {} has an empty {}, expected a name", file.string(), cases.size() + 1,
                              table.columns[needed]));
    }
    const bool has_patient = patient && !cells[*patient].empty();
    if (!has_patient) {
      spdlog::warn("{}: names no patient for case {}; it counts as a patient of its own", file.string(), cells[name]);
    }
    cases.push_back({.name = cells[name],
                     .patient = has_patient ? cells[*patient] : cells[name],
                     .image = resolve(cells[image]),
                     .lesion_mask = resolve(cells[lesion_mask]),
                     .lung_mask = {}});
    if (lung_mask && !cells[*lung_mask].empty()) cases.back().lung_mask = resolve(cells[*lung_mask]);
  }
  check_names(cases);
  return cases;
}

std::vector<CaseSource> pair_cases(std::span<const fs::path> images, std::span<const fs::path> lesion_masks,
                                   std::span<const fs::path> lung_masks) {
  if (images.size() != lesion_masks.size() || (!lung_masks.empty() && lung_masks.size() != images.size())) {
    throw UsageError(
        fmt::format("{} images, {} lesion masks and {} lung masks are named, expected a lesion mask for each image "
                    "and a lung mask for each or none",
                    images.size(), lesion_masks.size(), lung_masks.size()));
  }
  std::vector<CaseSource> cases;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string name = volume::scan_name(images[i]);
    cases.push_back(
        {.name = name, .patient = name, .image = images[i], .lesion_mask = lesion_masks[i], .lung_mask = {}});
    if (!lung_masks.empty()) cases.back().lung_mask = lung_masks[i];
  }
  check_names(cases);
  if (cases.size() > 1) {
    spdlog::warn(
        "no patients are named, so each of the {} cases counts as a patient of its own; where cases share "
        "one, give a table with the column patient to --cases",
        cases.size());
  }
  return cases;
}

void check_names(std::span<const CaseSource> cases) {
  std::map<std::string_view, const CaseSource*> seen;
  for (const auto& one : cases) {
    require_utf8(one);
    const auto [place, added] = seen.emplace(one.name, &one);
    if (added) continue;
    throw Error(fmt::format("two cases are named {}: {} and {}; name them apart in a table for --cases", one.name,
                            place->second->image.string(), one.image.string()));
  }
}

}  // namespace pulmoseg::prepare
