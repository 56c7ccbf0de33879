// pulmoseg export: weights into the formats of other tools.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "common.hpp"
#include "export_calibration.hpp"
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

constexpr const char* manual =
    R"(SOURCE is a run of `pulmoseg train` (its best epoch is taken), or the weights of a DeepLabV3-ResNet50
under torchvision's names: a .pth (a state_dict, or a checkpoint that holds one), a .safetensors, or an .onnx
that was exported. An auxiliary classifier is left out.

An .onnx has the input "image" (batch x 1 x rows x columns, preprocessed; of a model with --neighbours n
2n + 1 channels) and the output "logits"; batch, rows and columns are free. It carries the names of the
classes and the preprocessing: those given here, else those of the run or of the .onnx. --int8 alone stores
its kernels in a quarter of the space, as whole numbers and a scale for each channel; the arithmetic stays in
float.

--int8 --calibration DATASET makes the arithmetic whole numbers too, several times faster: the ranges of
activations come from slices of DATASET (the run's training part, where its split fits), and what it costs is
measured on them. Layers that cost too much stay in floats; where that is not enough, nothing is written.

A .pth opens with torch.load(weights_only=True). It fits torchvision's deeplabv3_resnet50 with
load_state_dict(strict=True), after its conv1 is replaced by a one-channel one where the weights are
for one channel.)";

constexpr const char* classes_key = "pulmoseg.classes";

struct Arguments {
  fs::path source, out;
  std::vector<std::string> classes;
  std::string licence;
  std::optional<std::int64_t> size;
  std::optional<double> mean, standard_deviation;
  CalibrationArguments calibration;
  bool int8 = false, json = false;
};

/// The run that SOURCE is, or that a file of weights lies in.
std::optional<training::RunFolder> find_run(const fs::path& source) {
  const fs::path folder = fs::is_directory(source) ? source : fs::absolute(source).parent_path();
  if (is_run(folder)) return training::RunFolder{folder};
  return std::nullopt;
}

fs::path weights_of(const fs::path& source) {
  if (!fs::is_directory(source)) return source;
  const training::RunFolder run{source};
  if (fs::exists(run.best_weights())) return run.best_weights();
  const std::string name = run.best_weights().filename().string();
  throw Error(is_run(source)
                  ? fmt::format("{}: holds no {} yet; its training has not finished an epoch", source.string(), name)
                  : fmt::format("{}: holds no {}, expected a run of pulmoseg train or a file of weights",
                                source.string(), name));
}

/// What training writes into model.onnx, also of a run that was stopped before it wrote one.
Metadata metadata_of_run(const training::RunFolder& run) {
  if (fs::exists(run.onnx())) return onnx::read_header(run.onnx()).metadata;
  return training::model_metadata(training::read_config(run));
}

/// Joined by commas: the names that were given, else those of the run, else the usual two.
std::string name_classes(const std::vector<std::string>& given, const Metadata& run, std::int64_t classes,
                         const fs::path& weights) {
  std::string names = fmt::format("{}", fmt::join(given, ","));
  if (names.empty() && run.contains(classes_key)) names = run.at(classes_key);
  if (names.empty() && classes == 2) names = "background,lesion";
  if (!names.empty() && std::ranges::count(names, ',') + 1 == classes) return names;
  throw UsageError(fmt::format("{}: has {} classes, expected their names, background first, in --classes ({}: {})",
                               weights.string(), classes, given.empty() && !names.empty() ? "its run says" : "given",
                               names.empty() ? "none" : names));
}

/// What the command line says wins over what the run says.
Metadata make_metadata(const Arguments& arguments, std::int64_t classes, const fs::path& weights) {
  Metadata metadata;
  dataset::Preprocessing preprocessing;
  if (arguments.source.extension() == ".onnx") {
    metadata = onnx::read_header(arguments.source).metadata;
    preprocessing = dataset::Preprocessing::from_metadata(metadata, arguments.source.string());
  } else if (const auto run = find_run(arguments.source)) {
    metadata = metadata_of_run(*run);
    preprocessing = dataset::Preprocessing::from_metadata(metadata, run->folder.string());
  }
  metadata.erase("pulmoseg.precision");  // of the source's arithmetic; calibration says that of what is written
  preprocessing.size = arguments.size.value_or(preprocessing.size);
  preprocessing.mean = arguments.mean.value_or(preprocessing.mean);
  preprocessing.standard_deviation = arguments.standard_deviation.value_or(preprocessing.standard_deviation);
  for (const auto& [key, value] : preprocessing.to_metadata()) metadata[key] = value;
  if (!arguments.classes.empty()) metadata.erase("pulmoseg.class_map");
  metadata[classes_key] = name_classes(arguments.classes, metadata, classes, weights);
  if (!arguments.licence.empty()) metadata["pulmoseg.licence"] = arguments.licence;
  metadata["pulmoseg.version"] = PULMOSEG_VERSION;
  metadata["pulmoseg.research_use"] = research_use;
  return metadata;
}

/// What calibration has to say; empty without.
struct Report {
  nlohmann::ordered_json facts;
  std::string text;
};

Report write_onnx(const model::DeepLabV3& network, const Arguments& arguments, const fs::path& weights) {
  const auto& options = network->options();
  Metadata metadata = make_metadata(arguments, options.classes, weights);
  const auto expected = dataset::Preprocessing::from_metadata(metadata, weights.string()).channels();
  if (options.channels != expected) {
    throw Error(
        fmt::format("{}: is for images of {} channels, expected {} for an .onnx; train one from it with pulmoseg train "
                    "--init",
                    weights.string(), options.channels, expected == 1 ? "1 (a CT slice)" : fmt::to_string(expected)));
  }
  const bool calibrated = !arguments.calibration.dataset.empty();
  const bool whole_kernels = arguments.int8 && !calibrated;
  onnx::Model exported = model::to_onnx(network, std::move(metadata),
                                        whole_kernels ? model::KernelFormat::int8 : model::KernelFormat::float32);
  Report report;
  if (calibrated) {
    const auto run = find_run(arguments.source);
    auto result =
        calibrate(exported, arguments.source, run ? std::optional(run->folder) : std::nullopt, arguments.calibration);
    exported = std::move(result.model);
    report = {std::move(result.facts), std::move(result.text)};
  }
  onnx::write(exported, arguments.out);
  return report;
}

/// Options that would do nothing are refused.
void check_options(const CLI::App& command, const Arguments& arguments) {
  const std::string suffix = arguments.out.extension().string();
  if (suffix != ".onnx" && suffix != ".pth" && suffix != ".pt" && suffix != ".safetensors") {
    throw UsageError(
        fmt::format("--out {}: expected a name that ends in .onnx, .pth or .safetensors", arguments.out.string()));
  }
  const auto need = [&](bool met, const char* what, std::initializer_list<const char*> options) {
    for (const char* option : options) {
      if (!met && command.count(option) > 0) throw UsageError(fmt::format("{}: needs {}", option, what));
    }
  };
  need(suffix == ".onnx", "an --out that ends in .onnx",
       {"--int8", "--licence", "--classes", "--size", "--mean", "--standard-deviation"});
  need(arguments.int8, "--int8", {"--calibration"});
  need(!arguments.calibration.dataset.empty(), "--calibration",
       {"--split", "--calibration-slices", "--smallest-agreement", "--trainable", "--threads"});
}

void run_export(const Arguments& arguments) {
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

  Report report;
  if (arguments.out.extension() == ".onnx") {
    report = write_onnx(network, arguments, weights);
  } else {
    model::write_weights(model::state_dict(*network), arguments.out);
  }
  if (arguments.json) {
    nlohmann::ordered_json json{{"schema", "pulmoseg.export/1"},
                                {"research_use", research_use},
                                {"file", arguments.out.string()},
                                {"classes", options.classes}};
    if (!report.facts.empty()) json["calibration"] = report.facts;
    print_json(json);
  } else {
    print_line(fmt::format("{}: DeepLabV3-ResNet50, {} classes", arguments.out.string(), options.classes));
    if (!report.text.empty()) print_line(report.text);
  }
}

}  // namespace

void add_export_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model as .onnx, .pth or .safetensors");
  command->footer(manual);
  command->add_option("SOURCE", arguments->source, "A run, a .pth, a .safetensors or an .onnx of export")->required();
  command->add_option("-o,--out", arguments->out, "File to write; its name says the format")->required();
  command
      ->add_option("--classes", arguments->classes,
                   "Names of the classes, background first (default: the run's, or background,lesion)")
      ->delimiter(',');
  command
      ->add_option("--size", arguments->size,
                   "Rows and columns to which slices are resized (default: the run's, or 256)")
      ->check(CLI::PositiveNumber);
  command->add_option("--mean", arguments->mean, "Subtracted after scaling to [0, 1] (default: the run's, or 0)");
  command
      ->add_option("--standard-deviation", arguments->standard_deviation,
                   "Divided by after that (default: the run's, or 1)")
      ->check(CLI::PositiveNumber);
  command->add_option("--licence", arguments->licence, "Of the weights; an .onnx carries it along");
  command->add_flag("--int8", arguments->int8, "Store the kernels of an .onnx in a quarter of the space");
  CalibrationArguments& calibration = arguments->calibration;
  command->add_option("--calibration", calibration.dataset,
                      "With --int8: a dataset whose slices say what activations look like; arithmetic in 8 bits");
  command->add_option("--split", calibration.split,
                      "A split.csv: its training part is calibrated with (default: the run's, or every slice)");
  command->add_option("--calibration-slices", calibration.slices, "How many of them, evenly spread")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--smallest-agreement", calibration.smallest_agreement,
                   "Lesion Dice with the masks of 32-bit, below which layers stay in floats, or nothing is written")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--trainable", calibration.trainable,
                    "Leave BatchNorm unfolded, so that train --init takes the file; ONNX Runtime runs it slower");
  command->add_option("--threads", calibration.threads, "Processor threads; 0 takes all")->capture_default_str();
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->callback([command, arguments] {
    check_options(*command, *arguments);
    run_export(*arguments);
  });
}

}  // namespace pulmoseg::cli
