#include "pulmoseg/training/run_folder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/base/sha256.hpp"
#include "pulmoseg/dataset/class_map.hpp"
#include "pulmoseg/training/batches.hpp"
#include "pulmoseg/training/device.hpp"
#include "pulmoseg/training/schedule.hpp"

namespace pulmoseg::training {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* schema = "pulmoseg.run/1";

// One pair of overloads a type of option: to JSON and back.
template <class T>
Json to_json(const T& value) {
  return value;
}
Json to_json(const Precision& value) { return name(value); }
Json to_json(const Schedule& value) { return name(value); }
Json to_json(const std::filesystem::path& value) { return value.string(); }
Json to_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

template <class T>
void from_json(const Json& json, T& value) {
  value = json.get<T>();
}
void from_json(const Json& json, Precision& value) { value = parse_precision(json.get<std::string>()); }
void from_json(const Json& json, Schedule& value) { value = parse_schedule(json.get<std::string>()); }
void from_json(const Json& json, std::filesystem::path& value) { value = json.get<std::string>(); }
void from_json(const Json& json, std::optional<double>& value) {
  value = json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

Json split_to_json(const dataset::Split& split) {
  Json json{{"kind", split.kind}, {"seed", split.seed}};
  if (split.folds > 0) json["fold"] = fmt::format("{}/{}", split.fold, split.folds);
  for (const auto part : {dataset::Part::training, dataset::Part::validation, dataset::Part::test}) {
    json[std::string(name(part)) + "_slices"] = split.rows(part).size();
  }
  return json;
}

/// "patient 1/5 seed 0" of the JSON above.
std::string describe_split(const Json& split) {
  const std::string fold = split.contains("fold") ? ' ' + split["fold"].get<std::string>() : "";
  return fmt::format("{}{} seed {}", split.at("kind").get<std::string>(), fold, split.at("seed").get<std::uint64_t>());
}

/// File names need not be UTF-8; JSON must be.
std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json options_to_json(const TrainingOptions& options) {
  Json json;
  each_option(options, [&](const char* name, const auto& value) { json[name] = to_json(value); });
  return json;
}

TrainingOptions options_from_json(const Json& json) {
  TrainingOptions options;
  each_option(options, [&](const char* name, auto& value) {
    if (json.contains(name)) from_json(json[name], value);  // else younger than the run: its default
  });
  return options;
}

[[noreturn]] void refuse(const RunFolder& run, std::string_view what, std::string_view before, std::string_view now) {
  throw Error(
      fmt::format("{}: cannot be resumed: it was started with {} {}, now it is {}; resume with the same, or train "
                  "into another folder",
                  run.folder.string(), what, before, now));
}

}  // namespace

std::string to_json(const TrainingOptions& options) { return dump(options_to_json(options)); }

TrainingOptions options_from_json(std::string_view text) { return options_from_json(Json::parse(text)); }

RunConfig describe_run(const dataset::Dataset& dataset, const dataset::Split& split, const TrainingOptions& options,
                       int ranks) {
  return {.options = options,
          .dataset_name = own_name(dataset.folder()),
          .dataset_fingerprint = dataset.fingerprint(),
          .dataset_content = sha256_of_file(dataset.folder() / "dataset.json"),
          .preprocessing = preprocessing_for(dataset, options),
          .split = describe_split(split_to_json(split)),
          .ranks = ranks,
          .threads = at::get_num_threads(),
          .processor = processor_name()};
}

void write_config(const RunConfig& config, const dataset::Dataset& dataset, const dataset::Split& split,
                  const RunFolder& run) {
  const Json json{{"schema", schema},
                  {"research_use", research_use},
                  {"pulmoseg_version", PULMOSEG_VERSION},
                  {"libtorch_version", TORCH_VERSION},
                  {"processor", config.processor},
                  {"ranks", config.ranks},
                  {"threads", config.threads},
                  {"options", options_to_json(config.options)},
                  {"classes", dataset::ClassMap::parse(config.options.classes).names()},
                  {"preprocessing", config.preprocessing.to_metadata()},
                  {"dataset",
                   {{"name", config.dataset_name},
                    {"fingerprint", config.dataset_fingerprint},
                    {"dataset_json_sha256", config.dataset_content},
                    {"size", config.preprocessing.size},
                    {"slices", dataset.size()},
                    {"cases", dataset.info().cases.size()}}},
                  {"split", split_to_json(split)}};
  write_file(run.config(), dump(json, 2) + '\n');
}

RunConfig read_config(const RunFolder& run) {
  const auto file = run.config();
  if (!std::filesystem::exists(file)) {
    throw Error(
        fmt::format("{}: holds no training run (no config.json); start one without --resume", run.folder.string()));
  }
  try {
    const Json json = Json::parse(read_file(file));
    if (json.at("schema") != schema) {
      throw Error(fmt::format("{}: has the schema {}, expected {}", file.string(), json.at("schema").dump(), schema));
    }
    return {.options = options_from_json(json.at("options")),
            .dataset_name = json.at("dataset").at("name"),
            .dataset_fingerprint = json.at("dataset").at("fingerprint"),
            .dataset_content = json.at("dataset").at("dataset_json_sha256"),
            .preprocessing = dataset::Preprocessing::from_metadata(json.at("preprocessing"), file.string()),
            .split = describe_split(json.at("split")),
            .ranks = json.value("ranks", 1),
            .threads = json.at("threads"),
            .processor = json.at("processor")};
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: is damaged: {}", file.string(), error.what()));
  } catch (const UsageError& error) {  // of an option that was edited in the file, not given to us
    throw Error(fmt::format("{}: is damaged: {}", file.string(), error.what()));
  }
}

void check_same_run(const RunConfig& now, const dataset::Dataset& dataset, const dataset::Split& split,
                    const RunFolder& run) {
  const RunConfig before = read_config(run);
  if (before.dataset_fingerprint != now.dataset_fingerprint) {
    refuse(run, "the dataset", fmt::format("{} ({})", before.dataset_name, before.dataset_fingerprint),
           fmt::format("{} ({})", now.dataset_name, now.dataset_fingerprint));
  }
  if (const auto before_size = before.preprocessing.size, size = now.preprocessing.size; before_size != size)
    refuse(run, "slices of size", std::to_string(before_size), std::to_string(size));
  if (before.dataset_content != now.dataset_content) {
    refuse(run, "the dataset", fmt::format("{} as it was prepared then", before.dataset_name), "prepared anew");
  }
  std::map<std::string, std::string> options_before;
  each_result_option(before.options,
                     [&](const char* name, const auto& value) { options_before[name] = dump(to_json(value)); });
  each_result_option(now.options, [&](const char* name, const auto& value) {
    const std::string text = dump(to_json(value));
    if (options_before[name] != text) refuse(run, name, options_before[name], text);
  });
  if (before.options.epochs != now.options.epochs && depends_on_length(now.options)) {
    refuse(run, "epochs", fmt::format("{}, which its schedule follows", before.options.epochs),
           std::to_string(now.options.epochs));
  }
  if (dataset::read_split(run.split(), dataset).parts != split.parts)
    refuse(run, "the split", "in split.csv", "another");
}

void warn_of_another_machine(const RunConfig& now, const RunFolder& run) {
  const RunConfig before = read_config(run);
  const auto machine = [](const RunConfig& config) {
    return fmt::format("{} ranks of {} threads on {}", config.ranks, config.threads, config.processor);
  };
  if (machine(before) != machine(now)) {
    spdlog::warn("{}: was started with {}, goes on with {}: {} may differ from an uninterrupted run",
                 run.folder.string(), machine(before), machine(now),
                 before.ranks != now.ranks && !now.options.sync_batch_norm
                     ? "BatchNorm's statistics, and so the result,"
                     : "the last bits");
  }
}

void write_history(std::span<const EpochRecord> history, const std::filesystem::path& file) {
  std::string text =
      "epoch,size,training_loss,validation_loss,validation_dice,learning_rate,seconds,samples_per_second\n";
  for (const auto& record : history) {
    text += fmt::format("{},{},{},{},{},{},{:.3f},{:.4f}\n", record.epoch, record.size, record.training_loss,
                        record.validation_loss, record.validation_dice ? fmt::to_string(*record.validation_dice) : "",
                        record.learning_rate, record.seconds, record.samples_per_second);
  }
  write_file(file, text);
}

std::map<std::string, std::string> model_metadata(const RunConfig& config) {
  auto metadata = config.preprocessing.to_metadata();
  const auto classes = dataset::ClassMap::parse(config.options.classes);
  metadata["pulmoseg.classes"] = fmt::format("{}", fmt::join(classes.names(), ","));
  metadata["pulmoseg.class_map"] = classes.text();
  metadata["pulmoseg.version"] = PULMOSEG_VERSION;
  metadata["pulmoseg.recipe"] = config.options.recipe;
  metadata["pulmoseg.trained_on"] = fmt::format("{} ({})", config.dataset_name, config.dataset_fingerprint);
  metadata["pulmoseg.split"] = config.split;
  metadata["pulmoseg.research_use"] = research_use;
  return metadata;
}

}  // namespace pulmoseg::training
