// The network as ONNX, and the commands export and backbone.

#include <algorithm>

#include "formula.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/export_onnx.hpp"
#include "pulmoseg/model/weights.hpp"

namespace pulmoseg::model {
namespace {

const std::map<std::string, std::string> metadata{{"pulmoseg.classes", "background,lesion"},
                                                  {"pulmoseg.size", "64"},
                                                  {"pulmoseg.scaling", "min-max-per-slice"},
                                                  {"pulmoseg.mean", "0"},
                                                  {"pulmoseg.standard_deviation", "1"}};

TEST(ToOnnx, KeepsBatchNormAndNamesWeightsAsTheStateDict) {
  const onnx::Model model = to_onnx(formula_network(), metadata);
  const auto count = [&](const std::string& type) {
    return std::ranges::count(model.nodes, type, &onnx::Node::op_type);
  };
  EXPECT_EQ(count("Conv"), 61);
  EXPECT_EQ(count("BatchNormalization"), 60);
  EXPECT_EQ(count("Dropout"), 0);
  EXPECT_EQ(model.metadata, metadata);
  EXPECT_TRUE(std::ranges::any_of(model.initializers, [](const auto& item) {
    return item.name == "classifier.0.convs.3.0.weight" && item.shape == std::vector<std::int64_t>{256, 2048, 3, 3};
  }));
  // The image's batch, rows and columns are free.
  const std::vector<std::variant<std::int64_t, std::string>> image{"batch", std::int64_t{1}, "rows", "columns"};
  EXPECT_EQ(model.inputs.front().shape, image);
}

TEST(ToOnnx, HoldsTheWholeStateDict) {
  const test::TemporaryFolder folder;
  const DeepLabV3 network = formula_network();
  onnx::write(to_onnx(network, metadata), folder / "a.onnx");
  const StateDict state = state_dict(*network), found = read_weights(folder / "a.onnx");
  EXPECT_EQ(found.size(), state.size());
  for (const auto& [name, tensor] : state) {
    const torch::Tensor* read = find(found, name);
    ASSERT_TRUE(read) << name;
    if (name.ends_with("num_batches_tracked")) continue;
    EXPECT_TRUE(torch::equal(*read, tensor)) << name;
  }
}

TEST(ToOnnx, Int8KernelsAreWithinHalfAStepInAQuarterOfTheSpace) {
  const test::TemporaryFolder folder;
  const DeepLabV3 network = formula_network();
  onnx::write(to_onnx(network, metadata, KernelFormat::int8), folder / "a.onnx");
  EXPECT_LT(std::filesystem::file_size(folder / "a.onnx"), 45'000'000u);
  const StateDict found = read_weights(folder / "a.onnx");
  for (const auto& [name, tensor] : state_dict(*network)) {
    if (name.ends_with("num_batches_tracked")) continue;
    const torch::Tensor difference = (*find(found, name) - tensor).abs();
    if (tensor.dim() == 4) {
      const torch::Tensor step = tensor.abs().amax({1, 2, 3}, true) / 127;
      EXPECT_TRUE((difference <= 0.501 * step).all().item<bool>()) << name;
    } else {
      EXPECT_EQ(difference.max().item<float>(), 0) << name;
    }
  }
}

TEST(ReadWeights, AFoldedOnnxIsRefused) {
  const test::TemporaryFolder folder;
  onnx::Model model;
  model.initializers = {{.name = "w", .shape = {1, 1, 1, 1}, .data = std::vector<float>{1}}};
  model.nodes = {{"Conv", "c", {"image", "w"}, {"logits"}, {}}};
  onnx::write(model, folder / "a.onnx");
  try {
    read_weights(folder / "a.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("has no BatchNorm of its own"), std::string::npos) << error.what();
  }
}

TEST(ExportCommand, GoesRoundThroughEveryFormat) {
  const test::TemporaryFolder folder;
  const StateDict state = state_dict(*formula_network());
  write_weights(state, folder / "a.pth");
  const std::vector<std::pair<std::string, std::string>> steps{
      {"a.pth", "b.safetensors"}, {"b.safetensors", "d.onnx"}, {"d.onnx", "c.pth"}};
  for (const auto& [source, target] : steps) {
    const auto result = test::run_program({"export", folder / source, "--out", folder / target});
    ASSERT_EQ(result.exit_code, 0) << result.messages;
  }
  for (const auto& [name, tensor] : read_weights(folder / "c.pth")) {
    if (name.ends_with("num_batches_tracked")) continue;
    EXPECT_TRUE(torch::equal(tensor, *find(state, name))) << name;
  }
  const auto header = onnx::read_header(folder / "d.onnx");
  EXPECT_EQ(header.metadata.at("pulmoseg.classes"), "background,lesion");
  EXPECT_EQ(header.metadata.at("pulmoseg.size"), "256");
}

TEST(ExportCommand, NamesClassesAndPreprocessing) {
  const test::TemporaryFolder folder;
  write_weights(state_dict(*DeepLabV3(DeepLabV3Options{.classes = 3})), folder / "a.pth");
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"export", folder / "a.pth", "--out", folder / "a.onnx"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return test::run_program(arguments);
  };
  const auto unnamed = run({});
  EXPECT_EQ(unnamed.exit_code, 2);
  EXPECT_NE(unnamed.messages.find("has 3 classes, expected their names"), std::string::npos) << unnamed.messages;
  const auto named = run({"--classes", "background,ground glass,consolidation", "--size", "128", "--mean", "0.5"});
  EXPECT_EQ(named.exit_code, 0) << named.messages;
  const auto header = onnx::read_header(folder / "a.onnx");
  EXPECT_EQ(header.metadata.at("pulmoseg.classes"), "background,ground glass,consolidation");
  EXPECT_EQ(header.metadata.at("pulmoseg.size"), "128");
  EXPECT_EQ(header.metadata.at("pulmoseg.mean"), "0.5");
}

/// What `pulmoseg export SOURCE --out FILE.onnx …` writes into the file's metadata.
std::map<std::string, std::string> exported(const std::string& source, std::vector<std::string> more = {}) {
  const test::TemporaryFolder folder;
  more.insert(more.begin(), {"export", source, "--out", folder / "a.onnx"});
  const auto result = test::run_program(more);
  EXPECT_EQ(result.exit_code, 0) << result.messages;
  return result.exit_code == 0 ? onnx::read_header(folder / "a.onnx").metadata : std::map<std::string, std::string>();
}

TEST(ExportCommand, KeepsWhatTheRunSaysAndTheCommandLineDoesNot) {
  const test::TemporaryFolder run;
  write_weights(state_dict(*formula_network()), run / "deeplabv3_resnet50_trained.pth");
  write_file(run / "config.json", R"({"schema": "pulmoseg.run/1", "processor": "a processor", "ranks": 1, "threads": 2,
    "options": {"recipe": "original", "classes": "lesion", "batch_size": 4, "learning_rate": 1e-4,
                "flip_probability": 0.5, "quarter_turns": true, "mean": 0.25, "standard_deviation": 2, "seed": 7,
                "precision": "fp32", "sync_batch_norm": false, "init": "", "epochs": 20, "max_minutes": null, "checkpoint_minutes": 10,
                "threads": 0, "device": "cpu"},
    "preprocessing": {"pulmoseg.size": "64", "pulmoseg.scaling": "min-max-per-slice", "pulmoseg.mean": "0.25",
                      "pulmoseg.standard_deviation": "2"},
    "dataset": {"name": "covid", "fingerprint": "0f", "dataset_json_sha256": "1e", "size": 64},
    "split": {"kind": "patient", "seed": 7, "fold": "1/5"}})");
  auto expected = exported(run.path(), {"--mean", "0.5"});
  EXPECT_TRUE(expected.erase("pulmoseg.version"));
  EXPECT_EQ(expected, (std::map<std::string, std::string>{
                          {"pulmoseg.classes", "background,lesion"},
                          {"pulmoseg.class_map", "lesion"},
                          {"pulmoseg.size", "64"},
                          {"pulmoseg.scaling", "min-max-per-slice"},
                          {"pulmoseg.mean", "0.5"},
                          {"pulmoseg.standard_deviation", "2"},
                          {"pulmoseg.recipe", "original"},
                          {"pulmoseg.trained_on", "covid (0f)"},
                          {"pulmoseg.split", "patient 1/5 seed 7"},
                          {"pulmoseg.research_use", "Research use only. Not a medical device."}}));

  // The run's model.onnx wins over its config.json; what it says of the classes must fit the weights.
  auto of_model = metadata;
  of_model["pulmoseg.classes"] = "background,ground glass,consolidation";
  onnx::write(to_onnx(formula_network(), of_model), run / "model.onnx");
  const auto refused = test::run_program({"export", run.path(), "--out", run / "a.onnx"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.messages.find("has 2 classes, expected their names"), std::string::npos) << refused.messages;
  EXPECT_NE(refused.messages.find("its run says: background,ground glass"), std::string::npos) << refused.messages;
  EXPECT_EQ(exported(run.path(), {"--classes", "background,lesion"}).at("pulmoseg.mean"), "0");
}

TEST(ExportCommand, WhatComputesInFloatsDoesNotSay8Bits) {
  const std::string calibrated = test::repository_file("models/lung-lesion.onnx");
  ASSERT_EQ(onnx::read_header(calibrated).metadata.at("pulmoseg.precision"), "int8");
  EXPECT_FALSE(exported(calibrated).contains("pulmoseg.precision"));
  EXPECT_FALSE(exported(calibrated, {"--int8"}).contains("pulmoseg.precision"));
}

TEST(ExportCommand, AnotherToolsFolderIsNoRun) {
  const test::TemporaryFolder folder;
  write_weights(state_dict(*formula_network()), folder / "model.safetensors");
  write_file(folder / "config.json", R"({"model_type": "deeplabv3", "preprocessing": 1})");
  EXPECT_EQ(exported(folder / "model.safetensors").at("pulmoseg.size"), "256");
  const auto as_run = test::run_program({"export", folder.path(), "--out", folder / "a.onnx"});
  EXPECT_EQ(as_run.exit_code, 1);
  EXPECT_NE(as_run.messages.find("expected a run of pulmoseg train"), std::string::npos) << as_run.messages;
}

TEST(ExportCommand, ADamagedRunIsNamed) {
  const test::TemporaryFolder run;
  write_weights(state_dict(*formula_network()), run / "deeplabv3_resnet50_trained.pth");
  write_file(run / "config.json", R"({"schema": "pulmoseg.run/1", "rec)");
  const auto result = test::run_program({"export", run.path(), "--out", run / "a.onnx"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.messages.find("config.json: is damaged: "), std::string::npos) << result.messages;
}

TEST(ExportCommand, ColourNetworksDoNotBecomeOnnx) {
  const test::TemporaryFolder folder;
  write_weights(state_dict(*DeepLabV3(DeepLabV3Options{.channels = 3})), folder / "a.pth");
  const auto refused = test::run_program({"export", folder / "a.pth", "--out", folder / "a.onnx"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.messages.find("images of 3 channels, expected 1"), std::string::npos) << refused.messages;
  EXPECT_EQ(test::run_program({"export", folder / "a.pth", "--out", folder / "a.safetensors"}).exit_code, 0);
}

struct Refusal {
  std::string source, out, message;
  int exit_code;
};

TEST(ExportCommand, RefusesInOneLine) {
  const test::TemporaryFolder folder;
  const std::string golden = golden_file("ordered_dict.pth"), malicious = golden_file("runs_os_system.pth");
  const std::vector<Refusal> refusals{
      {golden, folder / "a.txt", "expected a name that ends in .onnx, .pth or .safetensors", 2},
      {folder / "none.pth", folder / "a.onnx", "there is no such run or file of weights", 1},
      {folder.path(), folder / "a.onnx", "expected a run of pulmoseg train or a file of weights", 1},
      {golden, folder / "a.onnx", "has 2 tensors but no convolution classifier.4.weight", 1},
      {malicious, folder / "a.onnx", "nothing was run", 1},
  };
  for (const auto& refusal : refusals) {
    const auto result = test::run_program({"export", refusal.source, "--out", refusal.out});
    EXPECT_EQ(result.exit_code, refusal.exit_code);
    EXPECT_NE(result.messages.find(refusal.message), std::string::npos) << result.messages;
    EXPECT_EQ(std::ranges::count(result.messages, '\n'), 1) << result.messages;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ExportCommand, RefusesOptionsThatWouldDoNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> refusals{
      {{"never.pth", "--classes", "background,lesion"}, "--classes: needs an --out that ends in .onnx"},
      {{"never.pth", "--size", "64"}, "--size: needs an --out that ends in .onnx"},
      {{"never.safetensors", "--mean", "0"}, "--mean: needs an --out that ends in .onnx"},
      {{"never.pth", "--standard-deviation", "1"}, "--standard-deviation: needs an --out that ends in .onnx"},
      {{"never.pth", "--int8"}, "--int8: needs an --out that ends in .onnx"},
      {{"never.onnx", "--calibration", "data"}, "--calibration: needs --int8"},
      {{"never.onnx", "--int8", "--split", "split.csv"}, "--split: needs --calibration"},
      {{"never.onnx", "--int8", "--calibration-slices", "64"}, "--calibration-slices: needs --calibration"},
      {{"never.onnx", "--smallest-agreement", "1"}, "--smallest-agreement: needs --calibration"},
      {{"never.onnx", "--trainable"}, "--trainable: needs --calibration"},
      {{"never.onnx", "--threads", "1"}, "--threads: needs --calibration"},
  };
  for (auto [arguments, message] : refusals) {
    arguments.insert(arguments.begin(), {"export", golden_file("ordered_dict.pth"), "--out"});
    const auto result = test::run_program(arguments);
    EXPECT_EQ(result.exit_code, 2) << message;
    EXPECT_NE(result.messages.find(message), std::string::npos) << result.messages;
  }
}

TEST(BackboneCommand, RefusesA2dNetwork) {
  const auto result = test::run_program({"backbone", golden_file("ordered_dict.pth"), "--out", "never.pth"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.messages.find("has no 5-D kernel"), std::string::npos) << result.messages;
}

}  // namespace
}  // namespace pulmoseg::model
