#include "segment_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/volume/scan_name.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

/// By its name: scan_name() takes the endings off that a scan's file has.
bool is_scan_file(const fs::path& file) { return volume::scan_name(file) != own_name(file); }

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> content_of(const fs::path& folder, const fs::path& left_out) {
  std::vector<fs::path> content;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::error_code ignored;
    if (!is_hidden(entry.path()) && !fs::equivalent(entry.path(), left_out, ignored)) content.push_back(entry.path());
  }
  std::ranges::sort(content);
  return content;
}

/// Files of other kinds lie beside scans often enough: they are passed over. Where there are only such, it is a DICOM series.
bool is_collection(const std::vector<fs::path>& content) {
  const auto is_folder = [](const fs::path& path) { return fs::is_directory(path); };
  return std::ranges::any_of(content, [&](const fs::path& path) { return !is_folder(path) && is_scan_file(path); }) ||
         std::ranges::all_of(content, is_folder);
}

void search(const fs::path& folder, const fs::path& results, std::vector<SegmentInput>& found) {
  const auto content = content_of(folder, results);
  if (!is_collection(content)) {
    found.push_back({folder, volume::scan_name(folder)});
    return;
  }
  for (const auto& path : content) {
    if (fs::is_directory(path))
      search(path, results, found);
    else if (is_scan_file(path))
      found.push_back({path, volume::scan_name(path)});
  }
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
    SegmentInput input{scan, given(row, name) ? row[*name] : volume::scan_name(scan)};
    if (input.name.find('/') != std::string::npos || input.name.starts_with('.')) {
      throw Error(fmt::format("{}: '{}' cannot be the name of a case, since files are called by it", file.string(),
                              input.name));
    }
    if (given(row, lung_mask)) input.lung_mask = file.parent_path() / row[*lung_mask];
    found.push_back(std::move(input));
  }
}

bool is_list(const fs::path& path) { return path.extension() == ".csv"; }

}  // namespace

std::vector<SegmentInput> find_inputs(const std::vector<fs::path>& inputs, const std::vector<fs::path>& lung_masks,
                                      const fs::path& results) {
  if (!lung_masks.empty() && lung_masks.size() != inputs.size()) {
    throw UsageError(fmt::format("--lung-mask is given {} times for {} inputs, expected one for each or none",
                                 lung_masks.size(), inputs.size()));
  }
  std::vector<SegmentInput> found;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::size_t before = found.size();
    if (fs::is_directory(inputs[i]))
      search(inputs[i], results, found);
    else if (is_list(inputs[i]))
      read_list(inputs[i], found);
    else
      found.push_back({inputs[i], volume::scan_name(inputs[i])});
    const std::size_t count = found.size() - before;
    if (count == 0) throw Error(fmt::format("{}: holds no scans", inputs[i].string()));
    if (lung_masks.empty()) continue;
    if (count > 1 || is_list(inputs[i])) {
      throw UsageError(
          fmt::format("--lung-mask: {} stands for {} scans; name their masks in a list (.csv, columns "
                      "image and lung_mask)",
                      inputs[i].string(), count));
    }
    found.back().lung_mask = lung_masks[i];
  }
  return found;
}

}  // namespace pulmoseg::cli
