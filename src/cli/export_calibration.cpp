#include "export_calibration.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <numeric>

#include "pulmoseg/base/error.hpp"
#ifdef PULMOSEG_IMAGING
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/quantization/calibrate.hpp"
#endif

namespace pulmoseg::cli {
#ifdef PULMOSEG_IMAGING
namespace {

namespace fs = std::filesystem;

/// Test slices stay out of it where the split is known, so that figures of the test part remain those of unseen slices.
std::vector<std::int64_t> rows_of(const dataset::Dataset& dataset, const std::optional<fs::path>& run,
                                  const fs::path& given) {
  const bool known = !given.empty() || (run && fs::exists(*run / "split.csv"));
  try {
    if (known)
      return dataset::read_split(given.empty() ? *run / "split.csv" : given, dataset).rows(dataset::Part::training);
  } catch (const Error& error) {
    if (!given.empty()) throw;
    spdlog::warn("calibrated on every slice, without a split: {}", error.what());
  }
  std::vector<std::int64_t> rows(static_cast<std::size_t>(dataset.size()));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::string shown(const std::optional<double>& value) { return value ? fmt::format("{:.4f}", *value) : "-"; }

std::string text_of(const quantization::Calibration& calibration, const fs::path& dataset) {
  return fmt::format(
      "calibrated on {} slices of {}\n"
      "lesion Dice of the masks with those of 32-bit  {:.4f}\n"
      "lesion Dice with the truth, 32-bit and 8 bits  {} and {} (pooled; slices that set the ranges)\n"
      "convolutions kept in floats                    {}",
      calibration.slices, dataset.string(), calibration.agreement, shown(calibration.dice_before),
      shown(calibration.dice_after),
      calibration.kept.empty() ? "none" : fmt::format("{}", fmt::join(calibration.kept, ", ")));
}

nlohmann::ordered_json json_of(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

}  // namespace

CalibratedModel calibrate(const onnx::Model& model, const fs::path& source, const std::optional<fs::path>& run,
                          const CalibrationArguments& arguments) {
  const auto dataset = dataset::Dataset::open(arguments.dataset);
  auto calibration = quantization::calibrate(model, source.string(), dataset, rows_of(dataset, run, arguments.split),
                                             {.slices = arguments.slices,
                                              .agreement = arguments.smallest_agreement,
                                              .keep_batch_norm = arguments.trainable,
                                              .threads = arguments.threads,
                                              .on_step = [](const std::string& step) { spdlog::info("{}", step); }});
  if (calibration.agreement < arguments.smallest_agreement) {
    throw Error(fmt::format(
        "{}: in 8 bits its masks have a lesion Dice of {:.4f} with those of 32-bit, asked for are {}, even with {} "
        "convolutions kept in floats; take it with --smallest-agreement {:.3f}, or export it in 32-bit",
        source.string(), calibration.agreement, arguments.smallest_agreement, calibration.kept.size(),
        std::floor(calibration.agreement * 1000) / 1000));
  }
  CalibratedModel result{.model = {}, .facts = {}, .text = text_of(calibration, arguments.dataset)};
  result.facts = {{"dataset", arguments.dataset.string()},
                  {"dataset_fingerprint", dataset.fingerprint()},
                  {"slices", calibration.slices},
                  {"dice_with_32_bit", calibration.agreement},
                  {"dice_32_bit", json_of(calibration.dice_before)},
                  {"dice_8_bits", json_of(calibration.dice_after)},
                  {"kept_in_floats", calibration.kept}};
  result.model = std::move(calibration.model);
  return result;
}
#else
CalibratedModel calibrate(const onnx::Model&, const std::filesystem::path& source,
                          const std::optional<std::filesystem::path>&, const CalibrationArguments&) {
  throw Error(fmt::format("{}: this program was built without the part that runs models, so it cannot calibrate",
                          source.string()));
}
#endif

}  // namespace pulmoseg::cli
