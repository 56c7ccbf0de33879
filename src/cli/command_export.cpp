// pulmoseg export: weights into the formats of other tools.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/model/export_onnx.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/onnx/model.hpp"
#include "pulmoseg/training/run_folder.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;
using Metadata = std::map<std::string, std::string>;

struct Arguments {
  fs::path source, out;
  std::vector<std::string> classes;
  dataset::Preprocessing preprocessing;
  bool json = false;
};

/// The run that SOURCE is, or that a file of weights lies in.
std::optional<training::RunFolder> find_run(const fs::path& source) {
  const training::RunFolder run{fs::is_directory(source) ? source : fs::absolute(source).parent_path()};
  if (fs::exists(run.config())) return run;
  return std::nullopt;
}

fs::path weights_of(const fs::path& source) {
  if (!fs::is_directory(source)) return source;
  const training::RunFolder run{source};
  if (fs::exists(run.best_weights())) return run.best_weights();
  const std::string name = run.best_weights().filename().string();
  throw Error(fs::exists(run.config())
                  ? fmt::format("{}: holds no {} yet; its training has not finished an epoch", source.string(), name)
                  : fmt::format("{}: holds no {}, expected a run of pulmoseg train or a file of weights",
                                source.string(), name));
}

Metadata metadata_of_run(const training::RunFolder& run) {
  if (fs::exists(run.onnx())) return onnx::read_header(run.onnx()).metadata;
  const auto config = training::read_config(run);
  dataset::Preprocessing preprocessing;
  preprocessing.size = config.size;
  preprocessing.mean = config.options.mean;
  preprocessing.standard_deviation = config.options.standard_deviation;
  Metadata metadata = preprocessing.to_metadata();
  metadata["pulmoseg.classes"] = fmt::format("{}", fmt::join(training::class_names(config.options.classes), ","));
  return metadata;
}

void check_classes(const std::vector<std::string>& names, std::int64_t classes, const fs::path& weights) {
  if (names.empty() && classes == 2) return;
  if (static_cast<std::int64_t>(names.size()) == classes) return;
  throw UsageError(fmt::format("{}: has {} classes, expected their names, background first, in --classes (given: {})",
                               weights.string(), classes,
                               names.empty() ? "none" : fmt::format("{}", fmt::join(names, ","))));
}

/// What the command line says wins over what the run says.
Metadata make_metadata(const CLI::App& command, const Arguments& arguments, std::int64_t classes,
                       const fs::path& weights) {
  Metadata metadata;
  if (const auto run = find_run(arguments.source)) metadata = metadata_of_run(*run);
  if (metadata.empty() ||
      command.count("--size") + command.count("--mean") + command.count("--standard-deviation") > 0) {
    for (const auto& [key, value] : arguments.preprocessing.to_metadata()) metadata[key] = value;
  }
  if (!arguments.classes.empty() || !metadata.contains("pulmoseg.classes")) {
    check_classes(arguments.classes, classes, weights);
    metadata["pulmoseg.classes"] =
        arguments.classes.empty() ? "background,lesion" : fmt::format("{}", fmt::join(arguments.classes, ","));
  }
  metadata["pulmoseg.version"] = PULMOSEG_VERSION;
  return metadata;
}

void run_export(const CLI::App& command, const Arguments& arguments) {
  const std::string suffix = arguments.out.extension().string();
  if (suffix != ".onnx" && suffix != ".pth" && suffix != ".pt" && suffix != ".safetensors") {
    throw UsageError(
        fmt::format("--out {}: expected a name that ends in .onnx, .pth or .safetensors", arguments.out.string()));
  }
  if (!fs::exists(arguments.source)) {
    throw Error(fmt::format("{}: there is no such run or file of weights", arguments.source.string()));
  }
  const fs::path weights = weights_of(arguments.source);
  const auto state = model::read_weights(weights);
  const model::DeepLabV3Options options{.classes = model::count_classes(state, weights.string()),
                                        .channels = model::count_channels(state, weights.string())};
  model::DeepLabV3 network(options);
  const auto left_out = model::load_state_dict(*network, state, weights.string());
  if (!left_out.empty())
    spdlog::info("{}: {} tensors of the auxiliary classifier are left out", weights.string(), left_out.size());

  if (suffix == ".onnx") {
    onnx::write(model::to_onnx(network, make_metadata(command, arguments, options.classes, weights)), arguments.out);
  } else {
    model::write_weights(model::state_dict(*network), arguments.out);
  }
  if (arguments.json) {
    print_json({{"schema", "pulmoseg.export/1"}, {"file", arguments.out.string()}, {"classes", options.classes}});
  } else {
    print_line(fmt::format("{}: DeepLabV3-ResNet50, {} classes", arguments.out.string(), options.classes));
  }
}

}  // namespace

void add_export_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model as .onnx, .pth or .safetensors");
  command->footer(
      "SOURCE is a run of `pulmoseg train` (its best epoch is taken), or the weights of a DeepLabV3-ResNet50 under\n"
      "torchvision's names: a .pth (a state_dict, or a checkpoint that holds one) or a .safetensors. An auxiliary "
      "classifier\n"
      "is left out.\n"
      "An .onnx has the input \"image\" (batch x channels x rows x columns, preprocessed) and the output \"logits\"; "
      "batch, rows\n"
      "and columns are free. It carries the names of the classes and the preprocessing: those of the run, or those "
      "given here.\n"
      "A .pth opens with torch.load(weights_only=True) and fits torchvision's load_state_dict(strict=True).");
  command->add_option("SOURCE", arguments->source, "A run, a .pth or a .safetensors")->required();
  command->add_option("--out", arguments->out, "File to write; its name says the format")->required();
  command
      ->add_option("--classes", arguments->classes,
                   "Names of the classes, background first (default for two: background,lesion)")
      ->delimiter(',');
  auto& preprocessing = arguments->preprocessing;
  command->add_option("--size", preprocessing.size, "Rows and columns to which slices are resized")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--mean", preprocessing.mean, "Subtracted after scaling to [0, 1]")->capture_default_str();
  command->add_option("--standard-deviation", preprocessing.standard_deviation, "Divided by after that")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->callback([command, arguments] { run_export(*command, *arguments); });
}

}  // namespace pulmoseg::cli
