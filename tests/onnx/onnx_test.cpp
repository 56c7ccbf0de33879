#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/onnx/model.hpp"
#include "support/data.hpp"

namespace pulmoseg::onnx {
namespace {

std::string error_of(const std::filesystem::path& file) {
  try {
    read(file);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    EXPECT_TRUE(std::string(error.what()).starts_with(file.string() + ": ")) << error.what();
    return error.what();
  }
  return "no error";
}

/// Without the flush to disk that write_file() takes its time for.
void put(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

/// Every kind of attribute, initializer and dimension once.
Model example(std::span<const float> borrowed) {
  Model model;
  model.graph_name = "example";
  model.metadata = {{"pulmoseg.classes", "background,lesion"}, {"empty", ""}, {"größe", "ä,\"\n"}};
  model.inputs = {{.name = "image", .shape = {"batch", std::int64_t{1}, "rows", ""}}};
  model.outputs = {{.name = "logits", .shape = {"batch", std::int64_t{2}, "rows", "columns"}}};
  model.initializers = {{.name = "weight", .shape = {2, 1, 1, 1}, .data = borrowed},
                        {.name = "axes", .shape = {2}, .data = std::vector<std::int64_t>{-1, std::int64_t{1} << 40}},
                        {.name = "scalar", .shape = {}, .data = std::vector<float>{0.1F}},
                        {.name = "nothing", .shape = {0}, .data = std::vector<float>{}},
                        {.name = "int32", .shape = {2}, .data = std::vector<std::int32_t>{-70000, 3}},
                        {.name = "int8", .shape = {2}, .data = std::vector<std::int8_t>{-128, 127}},
                        {.name = "uint8", .shape = {2}, .data = std::vector<std::uint8_t>{0, 255}}};
  model.nodes = {{.op_type = "Conv",
                  .name = "first",
                  .inputs = {"image", "weight", ""},
                  .outputs = {"logits"},
                  .attributes = {{.name = "group", .value = std::int64_t{-3}},
                                 {.name = "epsilon", .value = 1e-5F},
                                 {.name = "mode", .value = std::string("linear")},
                                 {.name = "pads", .value = std::vector<std::int64_t>{0, 1, -2}},
                                 {.name = "scales", .value = std::vector<float>{0.5F, -2}}}},
                 {.op_type = "Relu", .name = {}, .inputs = {"logits"}, .outputs = {"y"}, .attributes = {}}};
  return model;
}

TEST(Onnx, WhatIsWrittenIsReadBack) {
  const test::TemporaryFolder folder;
  const std::vector<float> weights{1.5F, -std::numeric_limits<float>::infinity()};
  const Model written = example(weights);
  write(written, folder / "a.onnx");
  const Model model = read(folder / "a.onnx");

  EXPECT_EQ(model.graph_name, "example");
  EXPECT_EQ(model.opset, 17);
  EXPECT_EQ(model.producer, "pulmoseg");
  EXPECT_EQ(model.metadata, written.metadata);
  ASSERT_EQ(model.inputs.size(), 1U);
  EXPECT_EQ(model.inputs[0].name, "image");
  EXPECT_EQ(model.inputs[0].shape, written.inputs[0].shape);
  EXPECT_EQ(model.inputs[0].element_type, float32_elements);
  EXPECT_EQ(model.outputs.at(0).shape, written.outputs[0].shape);
  ASSERT_EQ(model.initializers.size(), 7U);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(model.initializers[i].name, written.initializers[i].name);
    EXPECT_EQ(model.initializers[i].shape, written.initializers[i].shape);
  }
  EXPECT_EQ(std::get<std::vector<float>>(model.initializers[0].data), weights);
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(model.initializers[1].data),
            std::get<std::vector<std::int64_t>>(written.initializers[1].data));
  EXPECT_EQ(std::get<std::vector<float>>(model.initializers[2].data), std::vector<float>{0.1F});
  for (std::size_t i = 3; i < 7; ++i)
    EXPECT_EQ(model.initializers[i].data.index(), written.initializers[i].data.index());
  EXPECT_TRUE(std::get<std::vector<float>>(model.initializers[3].data).empty());
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(model.initializers[4].data), (std::vector<std::int32_t>{-70000, 3}));
  EXPECT_EQ(std::get<std::vector<std::int8_t>>(model.initializers[5].data), (std::vector<std::int8_t>{-128, 127}));
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(model.initializers[6].data), (std::vector<std::uint8_t>{0, 255}));
  ASSERT_EQ(model.nodes.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(model.nodes[i].op_type, written.nodes[i].op_type);
    EXPECT_EQ(model.nodes[i].name, written.nodes[i].name);
    EXPECT_EQ(model.nodes[i].inputs, written.nodes[i].inputs);
    EXPECT_EQ(model.nodes[i].outputs, written.nodes[i].outputs);
    ASSERT_EQ(model.nodes[i].attributes.size(), written.nodes[i].attributes.size());
    for (std::size_t a = 0; a < model.nodes[i].attributes.size(); ++a) {
      EXPECT_EQ(model.nodes[i].attributes[a].name, written.nodes[i].attributes[a].name);
      EXPECT_EQ(model.nodes[i].attributes[a].value, written.nodes[i].attributes[a].value);
    }
  }
}

TEST(Onnx, EqualModelsGiveEqualBytes) {
  const test::TemporaryFolder folder;
  const std::vector<float> weights{1, 2}, copy = weights;
  write(example(weights), folder / "a.onnx");
  write(example(copy), folder / "b.onnx");
  EXPECT_EQ(read_file(folder / "a.onnx"), read_file(folder / "b.onnx"));
  EXPECT_EQ(read_file(folder / "a.onnx"), to_bytes(example(weights), "a"));
}

TEST(Onnx, HeaderLeavesNodesAndWeightsOut) {
  const test::TemporaryFolder folder;
  const std::vector<float> weights{1, 2};
  Model model = example(weights);
  model.inputs.push_back({.name = "weight", .shape = {std::int64_t{2}}});  // as old exporters list initializers
  write(model, folder / "a.onnx");
  const Model header = read_header(folder / "a.onnx");
  EXPECT_TRUE(header.nodes.empty());
  EXPECT_TRUE(header.initializers.empty());
  ASSERT_EQ(header.inputs.size(), 1U);
  EXPECT_EQ(header.inputs[0].name, "image");
  EXPECT_EQ(header.metadata, model.metadata);
  EXPECT_EQ(header.opset, 17);
}

// The golden files come from the onnx package (tests/oracle/onnx.py golden).
TEST(Onnx, ReadsWhatTheOnnxPackageWrote) {
  const Model model = read(test::repository_file("tests/data/onnx/reference.onnx"));
  EXPECT_EQ(model.producer, "onnx package");
  EXPECT_EQ(model.graph_name, "reference");
  EXPECT_EQ(model.opset, 17);
  EXPECT_EQ(model.metadata.at("pulmoseg.classes"), "background,lesion");
  ASSERT_EQ(model.inputs.size(), 1U);
  const std::vector<std::variant<std::int64_t, std::string>> shape{"batch", std::int64_t{1}, "rows", "columns"};
  EXPECT_EQ(model.inputs[0].shape, shape);
  ASSERT_EQ(model.initializers.size(), 4U);
  const std::vector<float> expected{0.25F, -1.5F};
  EXPECT_EQ(std::get<std::vector<float>>(model.initializers[0].data), expected) << "raw_data";
  EXPECT_EQ(std::get<std::vector<float>>(model.initializers[1].data), expected) << "float_data";
  const std::vector<std::int64_t> integers{-1, 300};
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(model.initializers[2].data), integers) << "raw_data";
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(model.initializers[3].data), integers) << "int64_data";
  ASSERT_EQ(model.nodes.size(), 2U);
  EXPECT_EQ(model.nodes[0].op_type, "Conv");
  EXPECT_EQ(model.nodes[0].inputs, (std::vector<std::string>{"image", "weight_raw", "bias_floats"}));
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(model.nodes[0].attributes.at(0).value),
            (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(model.nodes[1].op_type, "LeakyRelu");
  EXPECT_EQ(std::get<float>(model.nodes[1].attributes.at(0).value), 0.125F);
}

TEST(Onnx, WritesTheBytesOfTheOnnxPackage) {
  const test::TemporaryFolder folder;
  Model model = read(test::repository_file("tests/data/onnx/canonical.onnx"));
  write(model, folder / "again.onnx");
  EXPECT_EQ(read_file(folder / "again.onnx"), read_file(test::repository_file("tests/data/onnx/canonical.onnx")));
}

TEST(Onnx, EveryTruncationIsAnErrorOrAShorterWhole) {
  const test::TemporaryFolder folder;
  const std::vector<float> weights{1, 2};
  write(example(weights), folder / "a.onnx");
  const std::string bytes = read_file(folder / "a.onnx");
  int refused = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    put(folder / "cut.onnx", std::string_view(bytes).substr(0, length));
    refused += error_of(folder / "cut.onnx") != "no error";
  }
  // The last metadata entries end on their own: a cut between two of them leaves a valid file.
  EXPECT_GE(refused, static_cast<int>(bytes.size()) - 3);
}

TEST(Onnx, EveryChangedByteIsReadOrRefused) {
  const test::TemporaryFolder folder;
  const std::vector<float> weights{1, 2};
  write(example(weights), folder / "a.onnx");
  const std::string bytes = read_file(folder / "a.onnx");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned flip : {0x01U, 0x07U, 0x80U, 0xffU}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
      put(folder / "changed.onnx", changed);
      error_of(folder / "changed.onnx");  // any Error will do; anything else fails the test
    }
  }
}

TEST(Onnx, SaysWhatIsWrongWithAFile) {
  const test::TemporaryFolder folder;
  const auto file = folder / "größe x.onnx";
  EXPECT_NE(error_of(file).find("cannot be read: No such file"), std::string::npos);
  write_file(file, "");
  EXPECT_NE(error_of(file).find("expected an ONNX file"), std::string::npos);
  write_file(file, "This is not a network.");
  EXPECT_NE(error_of(file).find("is not an ONNX file"), std::string::npos);
  EXPECT_NE(error_of(folder.path()).find("expected an ONNX file"), std::string::npos);

  Model model;
  model.initializers = {{.name = "w", .shape = {2, 3}, .data = std::vector<float>(5)}};
  try {
    write(model, file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'w' has 5 values, expected 6 for its shape [2,3]"), std::string::npos);
  }
}

TEST(Onnx, RefusesOperatorsWithoutWhatTheyWorkOn) {
  const test::TemporaryFolder folder;
  const auto refusal = [&](Node node) {
    Model model;
    model.nodes = {std::move(node)};
    write(model, folder / "a.onnx");
    return error_of(folder / "a.onnx");
  };
  EXPECT_NE(refusal({"Relu", "r", {"image"}, {}, {}}).find("operator Relu 'r' has no output"), std::string::npos);
  for (const std::string type : {"QuantizeLinear", "DequantizeLinear"}) {
    EXPECT_NE(refusal({type, "q", {}, {"y"}, {}}).find(type + " 'q' has 0 inputs"), std::string::npos);
    EXPECT_NE(refusal({type, "q", {"image"}, {"y"}, {}}).find(type + " 'q' has 1 inputs"), std::string::npos);
  }
}

TEST(Onnx, RefusesWhatItCannotHold) {
  const auto golden = [](const char* name) { return test::repository_file("tests/data/onnx") / name; };
  EXPECT_NE(error_of(golden("double_weights.onnx")).find("'w' has element type 11, expected 1 (float32)"),
            std::string::npos);
  EXPECT_NE(error_of(golden("external_weights.onnx")).find("keeps initializer 'w' in another file"), std::string::npos);
  EXPECT_NE(error_of(golden("tensor_attribute.onnx")).find("attribute 'value' has type 4"), std::string::npos);
  EXPECT_NE(error_of(golden("other_domain.onnx")).find("is of domain 'com.microsoft'"), std::string::npos);
  for (const char* name :
       {"double_weights.onnx", "external_weights.onnx", "tensor_attribute.onnx", "other_domain.onnx"}) {
    EXPECT_EQ(read_header(golden(name)).inputs.size(), 1U) << name;
  }
}

}  // namespace
}  // namespace pulmoseg::onnx
