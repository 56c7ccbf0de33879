// Inspection of ONNX files and training runs.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "inspect_facts.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/onnx/model.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// "float32 N x 1 x H x W"
std::string describe(const onnx::ValueInfo& value) {
  std::string text =
      value.element_type == onnx::float32_elements ? "float32" : fmt::format("ONNX type {}", value.element_type);
  for (std::size_t i = 0; i < value.shape.size(); ++i) {
    const auto* name = std::get_if<std::string>(&value.shape[i]);
    text += i == 0 ? " " : " x ";
    text += !name ? fmt::format("{}", std::get<std::int64_t>(value.shape[i])) : name->empty() ? "?" : *name;
  }
  return text;
}

Json describe(const std::vector<onnx::ValueInfo>& values) {
  Json all = Json::object();
  for (const auto& value : values) all[value.name] = describe(value);
  return all;
}

/// Epochs and the best of them, from history.csv.
Json history_facts(const fs::path& file) {
  const CsvTable table = read_csv(file);
  const std::size_t epoch = table.column("epoch"), size = table.column("size"), loss = table.column("validation_loss");
  Json facts{{"epochs_done", table.rows.size()}};
  std::pair<std::int64_t, double> best{0, 0.0};  // the largest images, then the lowest loss: as training chooses
  for (const auto& row : table.rows) {
    const auto rows = parse_number<std::int64_t>(row[size]), number = parse_number<std::int64_t>(row[epoch]);
    const auto value = parse_number<double>(row[loss]);
    if (!rows || !number || !value || std::pair(*rows, -*value) <= best) continue;
    best = {*rows, -*value};
    facts["best_epoch"] = *number;
    facts["best_validation_loss"] = *value;
  }
  return facts;
}

}  // namespace

InspectedFile inspect_onnx(const fs::path& file) {
  const onnx::Model header = onnx::read_header(file);
  InspectedFile result;
  result.kind = "ONNX model";
  result.facts = {{"producer", header.producer},         {"opset", header.opset},
                  {"bytes", fs::file_size(file)},        {"inputs", describe(header.inputs)},
                  {"outputs", describe(header.outputs)}, {"metadata", header.metadata}};
  if (!header.metadata.contains("pulmoseg.classes")) {
    result.warnings.push_back(
        {"no_metadata", "the file does not name its classes and preprocessing; it was not exported by pulmoseg"});
  }
  return result;
}

InspectedFile inspect_run(const fs::path& folder) {
  InspectedFile result;
  result.kind = "training run";
  try {
    result.facts["config"] = Json::parse(read_file(folder / "config.json"));
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: is damaged: {}", (folder / "config.json").string(), error.what()));
  }
  if (fs::exists(folder / "history.csv")) result.facts["history"] = history_facts(folder / "history.csv");
  if (fs::exists(folder / "model.onnx")) {
    const InspectedFile model = inspect_onnx(folder / "model.onnx");
    result.facts["model"] = model.facts;
    result.warnings = model.warnings;
  } else {
    result.warnings.push_back({"unfinished", "no model.onnx: the run has not finished an epoch, or was not exported"});
  }
  return result;
}

}  // namespace pulmoseg::cli
