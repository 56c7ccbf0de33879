// pulmoseg inspect: what a file is, and what looks wrong with it.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "commands.hpp"
#include "common.hpp"
#include "inspect_facts.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* manual = R"(  pulmoseg inspect SCAN.nii.gz DICOM_FOLDER/ DATASET/ RUN/ model.onnx weights.pth

DICOM (a folder, a ZIP, a DICOMDIR, a file): all series, and of the one CT volume or of --series what follows.
A scan or mask (NIfTI, NRRD, DICOM): format, size, spacing, orientation, header codes,
the range of its numbers and whether they can be Hounsfield units; whether a scan shows a whole chest that lies
as the header says, and what stands in the way of measuring it (contrast medium, metal, thick slices …).
A segmentation (DICOM, .seg.nrrd): its segments, with their numbers, names and codes, and its grid.
A dataset of `pulmoseg prepare`, an array (.npy), a run of `pulmoseg train`, a model (.onnx), weights (.pth,
.safetensors): shapes, classes, origin.

A warning begins with a code that never changes; docs/schemas.md lists them. Warnings do not change the exit
code: it is 1 only when a file cannot be read. Names and numbers of patients are not shown.)";

struct Arguments {
  std::vector<fs::path> files;
  std::string series;
  bool json = false;
};

InspectedFile inspect(const fs::path& path, const std::string& series) {
  if (fs::is_directory(path)) {
    if (fs::exists(path / "dataset.json")) return inspect_dataset(path);
    if (is_run(path)) return inspect_run(path);
    return inspect_image(path, series);
  }
  const fs::path ending = path.extension();
  if (ending == ".npy") return inspect_array(path);
  if (ending == ".onnx") return inspect_onnx(path);
  if (ending == ".pth" || ending == ".pt" || ending == ".safetensors") return inspect_weights(path);
  return inspect_image(path, series);
}

Json to_json(const fs::path& path, const InspectedFile& found) {
  Json json{{"file", path.string()}, {"kind", found.kind}};
  json.update(found.facts);
  json["warnings"] = Json::array();
  for (const auto& warning : found.warnings)
    json["warnings"].push_back({{"code", warning.code}, {"text", warning.text}});
  return json;
}

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  if (!value.is_array()) return value.is_null() ? "-" : value.dump();
  std::string text;
  for (const auto& part : value) text += (text.empty() ? "" : part.is_array() ? "; " : ", ") + value_text(part);
  return text;
}

void print_facts(const Json& facts, const std::string& indent) {
  for (const auto& [name, value] : facts.items()) {
    std::string label = name;
    std::ranges::replace(label, '_', ' ');
    if (value.is_array() && !value.empty() && value.front().is_object()) {
      for (const auto& one : value) print_facts({{name, one}}, indent);
    } else if (value.is_object()) {
      print_line(indent + label);
      print_facts(value, indent + "  ");
    } else {
      const auto width = std::max<std::size_t>(26, indent.size() + label.size() + 2) - indent.size();
      print_line(fmt::format("{}{:<{}}{}", indent, label, width, value_text(value)));
    }
  }
}

void print_text(const fs::path& path, const InspectedFile& found) {
  print_line(fmt::format("{}: {}", path.string(), found.kind));
  print_facts(found.facts, "  ");
  for (const auto& warning : found.warnings) print_line(fmt::format("  warning {}: {}", warning.code, warning.text));
}

void run(const Arguments& arguments) {
  Json files = Json::array(), failed = Json::array();
  for (const auto& path : arguments.files) {
    stop_if_asked();
    try {
      const InspectedFile found = inspect(path, arguments.series);
      if (arguments.json)
        files.push_back(to_json(path, found));
      else
        print_text(path, found);
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      if (arguments.files.size() == 1) throw;
      spdlog::error("{}", error.what());
      failed.push_back({{"file", path.string()}, {"error", error.what()}});
    }
  }
  if (arguments.json) {
    print_json(
        {{"schema", "pulmoseg.inspect/1"}, {"research_use", research_use}, {"files", files}, {"failed", failed}});
  }
  if (!failed.empty())
    throw Error(fmt::format("{} of {} files could not be read", failed.size(), arguments.files.size()));
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("inspect", "Say what a file is, and what looks wrong with it");
  command->footer(manual);
  command->add_option("FILE", arguments->files, "files and folders")->required();
  command->add_option("--series", arguments->series,
                      "which DICOM series: its number, its UID or a part of its description");
  command->add_flag("--json", arguments->json, "print the result as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
