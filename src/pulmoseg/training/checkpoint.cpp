#include "pulmoseg/training/checkpoint.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/weights.hpp"

namespace pulmoseg::training {
namespace {

constexpr std::string_view network_prefix = "network.", optimiser_prefix = "adam.", average_prefix = "average.";
constexpr const char* state_key = "state.json";  // the RunState as UTF-8 bytes

using Json = nlohmann::ordered_json;

Json to_json(const EpochRecord& record) {
  return {record.epoch,
          record.size,
          record.training_loss,
          record.validation_loss,
          record.validation_dice ? Json(*record.validation_dice) : Json(),
          record.learning_rate,
          record.seconds,
          record.samples_per_second};
}

EpochRecord record_from_json(const Json& row) {
  const Json& dice = row.at(4);
  return {.epoch = row.at(0),
          .size = row.at(1),
          .training_loss = row.at(2),
          .validation_loss = row.at(3),
          .validation_dice = dice.is_null() ? std::nullopt : std::optional(dice.get<double>()),
          .learning_rate = row.at(5),
          .seconds = row.at(6),
          .samples_per_second = row.at(7)};
}

torch::Tensor to_bytes(std::string_view text) {
  auto bytes = torch::empty({static_cast<std::int64_t>(text.size())}, torch::kUInt8);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

model::StateDict with_prefix(const model::StateDict& all, std::string_view prefix) {
  model::StateDict part;
  for (const auto& [name, tensor] : all) {
    if (name.starts_with(prefix)) part.emplace_back(name.substr(prefix.size()), tensor);
  }
  return part;
}

void write_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& file) {
  model::StateDict all;
  for (const auto& [name, tensor] : checkpoint.network) all.emplace_back(std::string(network_prefix) + name, tensor);
  for (const auto& [name, tensor] : checkpoint.optimiser)
    all.emplace_back(std::string(optimiser_prefix) + name, tensor);
  for (const auto& [name, tensor] : checkpoint.average) all.emplace_back(std::string(average_prefix) + name, tensor);
  all.emplace_back(state_key, to_bytes(to_json(checkpoint.state)));
  model::write_weights(all, file);
}

void rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error)
    throw Error(fmt::format("{}: cannot be renamed to {}: {}", from.string(), to.filename().string(), error.message()));
}

}  // namespace

// JSON by nlohmann gives a double as many digits as bring it back exactly, so a resumed sum is the sum to the last bit.
std::string to_json(const RunState& state) {
  Json history = Json::array();
  for (const auto& record : state.history) history.push_back(to_json(record));
  Json json{{"epoch", state.epoch},
            {"batch", state.batch},
            {"samples", state.samples},
            {"loss_sum", state.loss_sum},
            {"training_seconds", state.training_seconds},
            {"history", history}};
  if (state.best) json["best"] = to_json(*state.best);
  return json.dump();
}

RunState state_from_json(std::string_view text) {
  const auto json = Json::parse(text);
  RunState state;
  json.at("epoch").get_to(state.epoch);
  json.at("batch").get_to(state.batch);
  json.at("samples").get_to(state.samples);
  json.at("loss_sum").get_to(state.loss_sum);
  json.at("training_seconds").get_to(state.training_seconds);
  if (json.contains("best")) state.best = record_from_json(json["best"]);
  for (const auto& row : json.at("history")) state.history.push_back(record_from_json(row));
  return state;
}

Checkpoint read_checkpoint(const std::filesystem::path& file) {
  const model::StateDict all = model::read_weights(file);
  const torch::Tensor* state = model::find(all, state_key);
  if (!state || state->scalar_type() != torch::kUInt8) {
    throw Error(fmt::format("{}: has no {}, expected a checkpoint of a training run; train into another folder",
                            file.string(), state_key));
  }
  try {
    const std::string_view json(static_cast<const char*>(state->data_ptr()), static_cast<std::size_t>(state->numel()));
    return {.state = state_from_json(json),
            .network = with_prefix(all, network_prefix),
            .optimiser = with_prefix(all, optimiser_prefix),
            .average = with_prefix(all, average_prefix),
            .file = file};
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: is a damaged checkpoint: {}", file.string(), error.what()));
  }
}

Checkpoints::Checkpoints(const std::filesystem::path& run)
    : next_(run / "checkpoint-next.safetensors"),
      newest_(run / "checkpoint.safetensors"),
      previous_(run / "checkpoint-previous.safetensors") {}

void Checkpoints::save(const Checkpoint& checkpoint) const {
  write_checkpoint(checkpoint, next_);
  if (std::filesystem::exists(newest_)) rename_file(newest_, previous_);
  rename_file(next_, newest_);
}

std::optional<Checkpoint> Checkpoints::load() const {
  std::optional<Error> first_error;
  for (const auto& file : {next_, newest_, previous_}) {
    if (!std::filesystem::exists(file)) continue;
    try {
      Checkpoint checkpoint = read_checkpoint(file);
      if (first_error) spdlog::warn("{}; going on from the one before it", first_error->what());
      return checkpoint;
    } catch (const Error& error) {
      if (!first_error) first_error = error;
    }
  }
  if (first_error) throw *first_error;
  return std::nullopt;
}

}  // namespace pulmoseg::training
