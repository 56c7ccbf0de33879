#pragma once
// Weights, images and labels by the formula of tests/oracle/model.py: the same bits on both sides without a large file.

#include <torch/nn/modules/dropout.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "pulmoseg/model/deeplabv3.hpp"
#include "pulmoseg/model/state_dict.hpp"
#include "support/data.hpp"

namespace pulmoseg::model {

inline std::filesystem::path golden_file(const std::string& name) {
  return test::repository_file("tests/data/model/" + name);
}

inline const nlohmann::json& golden() {
  static const nlohmann::json values = nlohmann::json::parse(std::ifstream(golden_file("network.json")));
  return values;
}

/// In [-1, 1), as float64.
inline torch::Tensor formula(std::uint64_t key, torch::IntArrayRef shape) {
  torch::Tensor values = torch::empty(shape, torch::kDouble);
  double* const value = values.data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    auto x = static_cast<std::uint32_t>(static_cast<std::uint64_t>(i) + key * 0x9E3779B9u);
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    value[i] = x / 2147483648.0 - 1;
  }
  return values;
}

inline torch::Tensor formula_tensor(std::uint64_t key, const std::string& name, const torch::Tensor& like) {
  if (name.ends_with("num_batches_tracked")) return torch::tensor(7, torch::kLong);
  torch::Tensor values = formula(key, like.sizes());
  if (like.dim() == 4) {
    values *= std::sqrt(6.0 / static_cast<double>(like.numel() / like.size(0)));
  } else if (name.ends_with("weight")) {
    values = (name.find(".bn3.") != std::string::npos ? 0.4 : 1.0) * (1 + 0.3 * values);
  } else if (name.ends_with("running_var")) {
    values = 1 + 0.4 * values;
  } else {
    values *= 0.2;
  }
  return values.to(torch::kFloat);
}

inline StateDict formula_state() {
  const DeepLabV3 network;
  StateDict state;
  for (const auto& [name, tensor] : state_dict(*network)) {
    state.emplace_back(name, formula_tensor(state.size(), name, tensor));
  }
  return state;
}

/// Two classes, dropout off.
inline DeepLabV3 formula_network() {
  static const StateDict state = formula_state();
  DeepLabV3 network;
  load_state_dict(*network, state);
  for (const auto& module : network->modules()) {
    if (auto* dropout = module->as<torch::nn::Dropout>()) dropout->options.p(0);
  }
  return network;
}

inline torch::Tensor formula_images(std::int64_t batch, std::int64_t rows, std::int64_t columns) {
  const torch::Tensor noise = formula(1'000'000, {batch, 1, rows, columns});
  const torch::Tensor level = torch::arange(1, batch + 1, torch::kDouble).view({batch, 1, 1, 1}) / batch;
  return (level * (0.5 + 0.5 * noise)).to(torch::kFloat);
}

inline torch::Tensor formula_labels(std::int64_t batch, std::int64_t rows, std::int64_t columns) {
  return (formula(2'000'000, {batch, rows, columns}) > 0.4).to(torch::kLong);
}

}  // namespace pulmoseg::model
