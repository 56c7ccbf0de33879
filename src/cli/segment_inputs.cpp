#include "segment_inputs.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <string_view>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/pacs/server.hpp"
#include "pulmoseg/volume/dicom_series.hpp"
#include "pulmoseg/volume/scan_name.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

/// By its name: scan_name() takes the endings off that a scan's file has.
bool is_scan_file(const fs::path& file) { return volume::scan_name(file) != own_name(file); }

/// Each is a slice, as a rule. A DICOMDIR stands for what it names.
bool is_dicom_slice(const fs::path& path) {
  return fs::is_regular_file(path) && own_name(path) != "DICOMDIR" && volume::is_dicom_file(path);
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool holds_measurements(const fs::path& json) {
  std::array<char, 100> begin{};
  if (fs::is_regular_file(json)) std::ifstream(json).read(begin.data(), begin.size());
  return std::string_view(begin.data(), begin.size()).find("\"pulmoseg.measurements/") != std::string_view::npos;
}

/// A mask or a map that a run left beside the measurements of its case.
bool is_own_result(const fs::path& file) {
  const std::string name = volume::scan_name(file);
  for (const std::string_view ending : {"_lesion", "_lung", "_lesion_probability", "_uncertainty", ".seg"}) {
    if (!name.ends_with(ending)) continue;
    const std::string of_case = name.substr(0, name.size() - ending.size());
    if (holds_measurements(file.parent_path() / (of_case + ".json"))) return true;
  }
  return false;
}

std::vector<fs::path> content_of(const fs::path& folder, const fs::path& left_out) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) throw Error(fmt::format("{}: cannot be looked into: {}", folder.string(), error.message()));
  std::vector<fs::path> content;
  std::size_t results = 0;
  for (const auto& entry : entries) {
    std::error_code ignored;
    if (is_hidden(entry.path()) || fs::equivalent(entry.path(), left_out, ignored)) continue;
    if (is_own_result(entry.path()))
      ++results;
    else
      content.push_back(entry.path());
  }
  if (results > 0) spdlog::info("{}: {} masks of an earlier run are left out", folder.string(), results);
  std::ranges::sort(content);
  return content;
}

/// Files of other kinds lie beside scans often enough, and beside folders of scans: they are passed over. Where there are only such,
/// or DICOM files, it is a DICOM series.
bool is_collection(const std::vector<fs::path>& content) {
  const auto is_folder = [](const fs::path& path) { return fs::is_directory(path); };
  const auto is_scan = [&](const fs::path& path) { return !is_folder(path) && is_scan_file(path); };
  if (content.empty() || std::ranges::any_of(content, is_scan)) return true;
  return std::ranges::any_of(content, is_folder) && std::ranges::none_of(content, volume::is_dicom_file);
}

/// Why a folder of DICOM files is no scan: media have a folder for each series. "" for a scan. Where the first of them may be one,
/// the others are not looked at yet.
std::string why_no_scan(const fs::path& folder, const std::vector<fs::path>& content) {
  using volume::DicomSeriesKind;
  const auto first = std::ranges::find_if(content, is_dicom_slice);
  if (first == content.end()) return "";
  try {
    if (volume::find_dicom_series(*first).front().kind != DicomSeriesKind::other) return "";
    const auto all = volume::find_dicom_series(folder);  // volumes come first
    return all.front().kind == DicomSeriesKind::other ? all.front().why_not : "";
  } catch (const Error&) {
    return "";  // it is damaged: told when the scan is read
  }
}

/// `named`: the folder was asked for by name.
void search(const fs::path& folder, const fs::path& results, bool named, std::vector<SegmentInput>& found) {
  const auto content = content_of(folder, results);
  if (!is_collection(content)) {
    const std::string reason = named ? "" : why_no_scan(folder, content);
    if (reason.empty())
      found.push_back({folder, volume::scan_name(folder)});
    else
      spdlog::warn("{}: is left out: {}", folder.string(), reason);
    return;
  }
  for (const auto& path : content) {
    if (fs::is_directory(path))
      search(path, results, false, found);
    else if (is_scan_file(path))
      found.push_back({path, volume::scan_name(path)});
  }
}

/// Written in one way only, so that a study that is named twice is noticed.
SegmentInput remote(const std::string& text) {
  const auto [server, study, series] = pacs::parse_address(text);
  if (study.empty()) {
    throw UsageError(
        fmt::format("{}: names no study; expected {}/studies/UID, or that and /series/UID; `pulmoseg pull "
                    "--list` finds it",
                    text, server.name));
  }
  const std::string in_study = series.empty() ? "" : "/series/" + series;
  return {.scan = fmt::format("{}/studies/{}{}", server.name, study, in_study),
          .name = series.empty() ? study : series,
          .archive = server.name};
}

void read_list(const fs::path& file, std::vector<SegmentInput>& found) {
  const CsvTable table = read_csv(file);
  const std::size_t image = table.column("image");
  const auto name = table.find_column("case"), lung_mask = table.find_column("lung_mask");
  const auto given = [](const std::vector<std::string>& row, const std::optional<std::size_t>& column) {
    return column && !row[*column].empty();
  };
  for (const auto& row : table.rows) {
    if (row[image].empty()) throw Error(fmt::format("{}: has a line without an image", file.string()));
    const fs::path scan = file.parent_path() / row[image];
    SegmentInput input =
        pacs::is_address(row[image]) ? remote(row[image]) : SegmentInput{scan, volume::scan_name(scan)};
    if (given(row, name)) input.name = row[*name];
    if (input.name.find('/') != std::string::npos || input.name.starts_with('.')) {
      throw Error(fmt::format("{}: '{}' cannot be the name of a case, since files are called by it", file.string(),
                              input.name));
    }
    if (given(row, lung_mask)) input.lung_mask = file.parent_path() / row[*lung_mask];
    found.push_back(std::move(input));
  }
}

bool is_list(const fs::path& path) { return path.extension() == ".csv"; }

/// What is named, the DICOM files of one folder together.
std::vector<std::vector<fs::path>> group(const std::vector<fs::path>& inputs) {
  std::vector<std::vector<fs::path>> groups;
  std::map<fs::path, std::size_t> group_of_folder;
  for (const auto& input : inputs) {
    if (is_dicom_slice(input)) {
      const auto [place, added] = group_of_folder.emplace(input.parent_path(), groups.size());
      if (!added) {
        groups[place->second].push_back(input);
        continue;
      }
    }
    groups.push_back({input});
  }
  return groups;
}

/// A DICOM file, or several that are one series.
SegmentInput slices(const std::vector<fs::path>& files) {
  SegmentInput input{files.front(), files.front().stem().string()};
  if (files.size() == 1) return input;
  const fs::path folder = fs::absolute(files.front()).parent_path();
  return {files.front(), volume::scan_name(folder), {}, files};
}

void add(const std::vector<fs::path>& named, const fs::path& results, std::vector<SegmentInput>& found) {
  const fs::path& first = named.front();
  if (pacs::is_address(first.string()))
    found.push_back(remote(first.string()));
  else if (fs::is_directory(first))
    search(first, results, true, found);
  else if (is_list(first))
    read_list(first, found);
  else if (is_dicom_slice(first))
    found.push_back(slices(named));
  else
    found.push_back({first, volume::scan_name(first)});
}

}  // namespace

std::vector<SegmentInput> find_inputs(const std::vector<fs::path>& inputs, const std::vector<fs::path>& lung_masks,
                                      const fs::path& results) {
  const auto named = group(inputs);
  if (!lung_masks.empty() && lung_masks.size() != named.size()) {
    throw UsageError(fmt::format("--lung-mask is given {} times for {} inputs, expected one for each or none",
                                 lung_masks.size(), named.size()));
  }
  std::vector<SegmentInput> found;
  for (std::size_t i = 0; i < named.size(); ++i) {
    const fs::path& first = named[i].front();
    const std::size_t before = found.size();
    add(named[i], results, found);
    const std::size_t count = found.size() - before;
    if (count == 0) throw Error(fmt::format("{}: holds no scans", first.string()));
    if (lung_masks.empty()) continue;
    if (count > 1 || is_list(first)) {
      throw UsageError(
          fmt::format("--lung-mask: {} stands for {} scans; name their masks in a list (.csv, columns "
                      "image and lung_mask)",
                      first.string(), count));
    }
    found.back().lung_mask = lung_masks[i];
  }
  return found;
}

}  // namespace pulmoseg::cli
