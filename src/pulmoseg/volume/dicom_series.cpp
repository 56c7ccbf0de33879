#include "pulmoseg/volume/dicom_series.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"
#include "pulmoseg/volume/dicom_file.hpp"
#include "pulmoseg/volume/dicom_stack.hpp"
#include "pulmoseg/volume/matrix3.hpp"
#include "pulmoseg/volume/unpacked_zip.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr std::string_view dicomdir_class = "1.2.840.10008.1.3.10";

struct NamedFile {
  fs::path path;
  std::string name;  ///< for people
};

/// The files of all paths, and what keeps them there.
struct Files {
  std::vector<NamedFile> files;
  std::vector<std::shared_ptr<const UnpackedZip>> unpacked;
};

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Everything in a folder but what is hidden; links to nowhere too, so that they are not passed over. `name` stands for the folder in the names.
void add_folder(const fs::path& folder, const std::string& name, Files& found) {
  std::vector<fs::path> paths;
  std::error_code error, ignored;
  for (fs::recursive_directory_iterator entry(folder, error), end; entry != end; entry.increment(error)) {
    if (is_hidden(entry->path()))
      entry.disable_recursion_pending();
    else if (entry->is_regular_file(ignored) || (entry->is_symlink(ignored) && !entry->exists(ignored)))
      paths.push_back(entry->path());
  }
  if (error) throw Error(fmt::format("{}: cannot be searched: {}", name, error.message()));
  std::ranges::sort(paths);
  for (const fs::path& path : paths)
    found.files.push_back({path, (fs::path(name) / path.lexically_relative(folder)).string()});
}

void add_file(const fs::path& file, Files& found) {
  if (looks_like_zip(file)) {
    found.unpacked.push_back(std::make_shared<const UnpackedZip>(file));
    add_folder(found.unpacked.back()->folder(), file.string(), found);
    return;
  }
  const auto header = read_dicom_file(file, file.string());
  if (header && header->sop_class_uid == dicomdir_class) {
    for (const fs::path& named : read_dicomdir(file)) found.files.push_back({named, named.string()});
  } else {
    found.files.push_back({file, file.string()});
  }
}

Files list_files(const std::vector<fs::path>& paths) {
  Files found;
  for (const fs::path& path : paths) {
    if (fs::is_directory(path))
      add_folder(path, path.string(), found);
    else if (fs::is_regular_file(path))
      add_file(path, found);
    else
      throw Error(fmt::format("{}: no such file or folder", path.string()));
  }
  std::set<fs::path> seen;
  std::erase_if(found.files, [&](const NamedFile& file) { return !seen.insert(file.path.lexically_normal()).second; });
  return found;
}

bool has_image_type(const DicomFile& file, std::string_view value) {
  return std::ranges::find(file.image_type, value) != file.image_type.end();
}

bool is_placed(const DicomFile& file) {
  return !file.images.empty() && file.images.front().position && file.images.front().axes;
}

/// What kind of object it is, by its SOP class: "Segmentation", "Basic Text SR".
std::string object_name(const DicomFile& file) {
  const char* const found = dcmFindNameOfUID(file.sop_class_uid.c_str(), "");
  std::string name = found;
  if (const auto end = name.rfind("Storage"); end != std::string::npos) name = name.substr(0, end);
  while (!name.empty() && (name.back() == ' ' || name.back() == '-')) name.pop_back();
  return name.empty() ? "no image" : name;
}

/// Why a file is no part of a CT volume; kind and words.
std::pair<DicomSeriesKind, std::string> judge(const DicomFile& file) {
  constexpr std::string_view secondary_capture = "1.2.840.10008.5.1.4.1.1.7";
  constexpr std::array derived_types{"SECONDARY", "MPR", "REFORMATTED", "MIP", "MINIP", "PROJECTION IMAGE"};
  const auto other = DicomSeriesKind::other;
  const std::string modality = file.attribute("Modality");
  if (!file.has_pixels) return {other, object_name(file)};
  if (!modality.empty() && modality != "CT") return {other, "modality " + modality};
  if (!file.format.is_grey) return {other, "colour images"};
  if (has_image_type(file, "LOCALIZER")) return {other, "localizer"};
  if (file.sop_class_uid.starts_with(secondary_capture) && !is_placed(file)) return {other, "secondary capture"};
  if (file.images.size() > 1 && !is_placed(file)) return {other, "frames without positions"};
  for (const char* type : derived_types) {
    if (has_image_type(file, type))
      return {DicomSeriesKind::derived, fmt::format("derived ({})", fmt::join(file.image_type, "\\"))};
  }
  return {DicomSeriesKind::volume, ""};
}

void describe_images(DicomSeries& series) {
  const DicomFile& first = *series.headers.front();
  series.attributes = first.attributes;
  series.number = parse_number<int>(first.attribute("SeriesNumber"));
  series.description = first.attribute("SeriesDescription");
  series.rows = first.format.rows;
  series.columns = first.format.columns;
  for (const auto& header : series.headers) series.images += static_cast<std::int64_t>(header->images.size());
  if (first.images.empty()) return;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (const double spacing = first.images.front().spacing[axis]; spacing > 0) series.spacing[axis] = spacing;
  }
  series.spacing[2] = usual_step(series.headers);
  if (series.kind != DicomSeriesKind::other && series.images > 1 && is_placed(first) && !series.spacing[2]) {
    series.kind = DicomSeriesKind::other;
    series.why_not = fmt::format("all {} images lie in one place", series.images);
  }
}

/// A series of one or two slices beside a whole scan is a localizer or a view of the contrast's arrival.
void set_few_slices_aside(std::vector<DicomSeries>& found) {
  std::int64_t most = 0;
  for (const auto& series : found) {
    if (series.kind == DicomSeriesKind::volume) most = std::max(most, series.images);
  }
  for (auto& series : found) {
    if (series.kind == DicomSeriesKind::other || series.images > 2 || most < 10) continue;
    series.kind = DicomSeriesKind::other;
    series.why_not = series.images == 1 ? "only 1 slice" : fmt::format("only {} slices", series.images);
  }
}

/// "" in place of a series' UID: it may belong to any.
using Damaged = std::vector<std::pair<std::string, std::string>>;

std::string damage_line(const DicomFile& file) {
  return fmt::format(
      "{}: {}, expected a whole DICOM image; copy or download the file again, or remove it from the folder", file.name,
      file.damage);
}

std::vector<DicomSeries> group(const std::vector<std::shared_ptr<const DicomFile>>& headers) {
  std::map<std::tuple<std::string, DicomSeriesKind, std::string>, DicomSeries> groups;
  for (const auto& header : headers) {
    const auto [kind, why_not] = judge(*header);
    // The image types of a derived series may differ from slice to slice.
    DicomSeries& series = groups[{header->series_uid, kind, kind == DicomSeriesKind::other ? why_not : ""}];
    series.kind = kind;
    if (series.why_not.empty()) series.why_not = why_not;
    series.series_uid = header->series_uid;
    series.headers.push_back(header);
    series.files.push_back(header->path);
  }
  std::vector<DicomSeries> found;
  for (auto& [key, series] : groups) {
    describe_images(series);
    found.push_back(std::move(series));
  }
  set_few_slices_aside(found);
  std::ranges::stable_sort(found, {}, [](const DicomSeries& series) { return std::tuple(series.kind, series.number); });
  return found;
}

bool is_of(const DicomSeries& series, const std::string& uid) { return uid.empty() || uid == series.series_uid; }

[[noreturn]] void refuse_nothing(const std::string& shown, const Damaged& damaged) {
  if (!damaged.empty()) throw Error(damaged.front().second);
  throw Error(
      fmt::format("{}: holds no DICOM files, expected a CT series; give the folder that holds the slices", shown));
}

std::string list(const std::vector<const DicomSeries*>& series) {
  std::vector<std::string> lines;
  for (const auto* one : series) lines.push_back(describe(*one));
  return fmt::format("{}", fmt::join(lines, "; "));
}

std::vector<const DicomSeries*> of_kind(const std::vector<DicomSeries>& found, DicomSeriesKind kind) {
  std::vector<const DicomSeries*> some;
  for (const auto& series : found) {
    if (series.kind == kind) some.push_back(&series);
  }
  return some;
}

std::vector<const DicomSeries*> matching(const std::vector<DicomSeries>& found, const std::string& wanted) {
  const auto number = parse_number<int>(wanted);
  const auto by = [&](const auto& matches) {
    std::vector<const DicomSeries*> some;
    for (const auto& series : found) {
      if (matches(series)) some.push_back(&series);
    }
    // A localizer that shares the UID of a volume is not what is meant.
    const auto is_volume = [](const DicomSeries* one) { return one->kind != DicomSeriesKind::other; };
    if (std::ranges::any_of(some, is_volume)) std::erase_if(some, [&](const auto* one) { return !is_volume(one); });
    return some;
  };
  if (auto some = by([&](const auto& one) { return one.series_uid == wanted; }); !some.empty()) return some;
  if (auto some = by([&](const auto& one) { return number && one.number == number; }); !some.empty()) return some;
  return by([&](const auto& one) { return lower(one.description).find(lower(wanted)) != std::string::npos; });
}

std::vector<const DicomSeries*> all_of(const std::vector<DicomSeries>& found) {
  std::vector<const DicomSeries*> all;
  for (const auto& series : found) all.push_back(&series);
  return all;
}

/// A report, a segmentation …: what nobody can try as a volume.
bool is_no_image(const DicomSeries& series) {
  const DicomFile& first = *series.headers.front();
  return !first.has_pixels || first.is_segmentation();
}

[[noreturn]] void refuse_no_volume(const std::vector<DicomSeries>& found) {
  const DicomSeries& first = found.front();
  if (!std::ranges::all_of(found, is_no_image)) {
    throw Error(fmt::format("{}: holds no CT volume but {}; name one of them with --series to try it", first.shown,
                            list(all_of(found))));
  }
  const bool alone = found.size() == 1 && first.headers.size() == 1;
  const DicomFile& header = *first.headers.front();
  const std::string modality = header.attribute("Modality");
  const std::string what =
      alone ? fmt::format("is a DICOM {} (modality {})", object_name(header), modality.empty() ? "not said" : modality)
            : fmt::format("holds no images but {}", list(all_of(found)));
  const std::string advice = alone && header.is_segmentation()
                                 ? fmt::format(
                                       "give the scan; this is measured with it by `pulmoseg quantify SCAN "
                                       "--lesion-mask {}`",
                                       first.shown)
                                 : "give the folder that holds the slices";
  throw Error(fmt::format("{}: {}, expected a CT series; {}", first.shown, what, advice));
}

}  // namespace

std::vector<DicomSeries> find_dicom_series(const std::vector<fs::path>& paths) {
  prepare_dcmtk();
  Files listed = list_files(paths);
  const std::string shown = paths.size() == 1 ? paths.front().string() : fmt::format("{} files", paths.size());
  std::vector<std::shared_ptr<const DicomFile>> headers;
  std::vector<std::string> left_aside;
  Damaged damaged;
  for (const NamedFile& file : listed.files) {
    auto header = read_dicom_file(file.path, file.name);
    if (!header)
      left_aside.push_back(file.name);
    else if (header->sop_class_uid == dicomdir_class)
      continue;  // its files stand beside it
    else if (!header->damage.empty())
      damaged.emplace_back(header->series_uid, damage_line(*header));
    else
      headers.push_back(std::make_shared<const DicomFile>(std::move(*header)));
  }
  std::vector<DicomSeries> found = group(headers);
  if (found.empty()) refuse_nothing(shown, damaged);
  const auto keeps = std::make_shared<const decltype(listed.unpacked)>(std::move(listed.unpacked));
  for (DicomSeries& series : found) {
    series.source = paths.size() == 1 ? paths.front() : paths.front().parent_path();
    series.shown = shown;
    series.left_aside = left_aside;
    series.keeps = keeps;
    for (const auto& [uid, line] : damaged) {
      if (is_of(series, uid)) series.damaged.push_back(line);
    }
  }
  return found;
}

std::vector<DicomSeries> find_dicom_series(const fs::path& path) { return find_dicom_series(std::vector{path}); }

const DicomSeries& choose_dicom_series(const std::vector<DicomSeries>& found, const std::string& wanted) {
  const std::string& shown = found.front().shown;
  if (wanted.empty()) {
    auto candidates = of_kind(found, DicomSeriesKind::volume);
    if (candidates.empty()) candidates = of_kind(found, DicomSeriesKind::derived);
    if (candidates.size() == 1) return *candidates.front();
    if (candidates.empty()) refuse_no_volume(found);
    throw Error(
        fmt::format("{}: holds {} CT series: {}; choose one with --series NUMBER, UID or a part of its description",
                    shown, candidates.size(), list(candidates)));
  }
  const auto candidates = matching(found, wanted);
  if (candidates.size() == 1) return *candidates.front();
  throw Error(
      fmt::format("{}: --series {} stands for {}: {}; name the number or UID of one", shown, wanted,
                  candidates.empty() ? "none of its series" : fmt::format("{} of its series", candidates.size()),
                  list(candidates.empty() ? all_of(found) : candidates)));
}

std::string describe(const DicomSeries& series) {
  std::string text = series.number ? fmt::format("{} ", *series.number) : "";
  text += fmt::format("\"{}\": {} {}", series.description, series.images, series.images == 1 ? "slice" : "slices");
  if (series.spacing[0] && series.spacing[1]) {
    const std::string step = series.spacing[2] ? fmt::format("{:.4g}", *series.spacing[2]) : "?";
    text += fmt::format(", {:.4g}x{:.4g}x{} mm", *series.spacing[0], *series.spacing[1], step);
  }
  if (!series.why_not.empty()) text += fmt::format(", {}", series.why_not);
  return fmt::format("{}, {}", text, series.series_uid.empty() ? "no UID" : series.series_uid);
}

bool is_dicom_file(const fs::path& file) {
  std::array<char, 132> begin{};
  std::error_code error;
  if (fs::is_regular_file(file, error)) std::ifstream(file, std::ios::binary).read(begin.data(), begin.size());
  return std::string_view(begin.data() + 128, 4) == "DICM";
}

bool may_hold_dicom(const fs::path& file) { return is_dicom_file(file) || looks_like_zip(file); }

}  // namespace pulmoseg::volume
