#include "pulmoseg/inference/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/processor.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "tiny_network.hpp"

namespace pulmoseg::inference {
namespace {

using testing::Test;

class EngineTest : public Test {
 protected:
  std::filesystem::path save(const onnx::Model& model) {
    onnx::write(model, folder_ / "model.onnx");
    return folder_ / "model.onnx";
  }

  /// The message with which this network is refused.
  std::string refusal(const onnx::Model& model) { return refusal(save(model)); }
  std::string refusal(const std::filesystem::path& file) {
    try {
      Engine engine(file);
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(file.string() + ": ")) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return message;
    }
    return "no error";
  }

  test::TemporaryFolder folder_;
};

std::vector<float> ramp(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1013) / 1013.0F;
  return values;
}

TEST_F(EngineTest, GivesTheLogitsOfEveryImage) {
  Engine engine(save(test::threshold_network(3, 0.25)));
  for (const auto [n, rows, columns] : {std::array{1, 32, 32}, std::array{37, 32, 32}, std::array{2, 24, 41}}) {
    const std::int64_t pixels = rows * columns;
    const auto images = ramp(n * pixels);
    const auto logits = engine.run(images, n, rows, columns);
    ASSERT_EQ(std::ssize(logits), n * 2 * pixels);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t p = 0; p < pixels; ++p) {
        ASSERT_EQ(logits[static_cast<std::size_t>((2 * i) * pixels + p)], 0.0F);
        ASSERT_NEAR(logits[static_cast<std::size_t>((2 * i + 1) * pixels + p)],
                    3 * (images[static_cast<std::size_t>(i * pixels + p)] - 0.25F), 1e-6);
      }
    }
  }
  EXPECT_TRUE(engine.run({}, 0, 32, 32).empty());
}

TEST_F(EngineTest, ANetworkFromTheCacheGivesTheSameBytes) {
  for (const char* precision : {"fp32", "auto"}) {
    const auto file = save(test::lung_and_lesion_network());
    const EngineOptions options{.precision = precision, .cache = folder_ / "cache"};
    const auto image = ramp(2 * 1024);
    const auto expected = Engine(file, {.precision = precision}).run(image, 2, 32, 32);
    for (int start = 0; start < 3; ++start) {
      Engine engine(file, options);
      EXPECT_EQ(engine.run(image, 2, 32, 32), expected);
      EXPECT_EQ(engine.classes().names(), (std::vector<std::string>{"background", "lung", "lesion"}));
      EXPECT_EQ(std::ssize(engine.run(ramp(768), 1, 24, 32)), 3 * 768) << "another size needs the network itself";
    }
  }
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "cache"));
}

TEST_F(EngineTest, ACachedNetworkIsThatOfTheFile) {
  const EngineOptions options{.cache = folder_ / "cache"};
  const auto last_logit = [&](float gain) {
    return Engine(save(test::threshold_network(gain, 0)), options).run(std::vector<float>(1024, 1), 1, 32, 32).back();
  };
  EXPECT_EQ(last_logit(2), 2);
  EXPECT_EQ(last_logit(3), 3);
  EXPECT_EQ(last_logit(2), 2);
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache")) {  // damaged ones are made again
    const std::string kept = read_file(entry.path());
    write_file(entry.path(), kept.substr(0, kept.find('\n') + 20));
  }
  EXPECT_EQ(Engine(folder_ / "model.onnx", options).run(std::vector<float>(1024, 1), 1, 32, 32).back(), 2);
}

TEST_F(EngineTest, CollectsInTheOrderOfStarting) {
  Engine engine(save(test::threshold_network(1, 0)));
  const auto image = [](float value) { return std::vector<float>(1024, value); };
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(engine.under_way(), 0);
    EXPECT_THROW(engine.collect(), Error);
    const auto n = engine.slices_in_flight();
    for (std::int64_t i = 0; i < n; ++i) engine.start(image(static_cast<float>(round + i)));
    EXPECT_THROW(engine.start(image(0)), Error) << "no room";
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(engine.collect().back(), static_cast<float>(round + i));
  }
  engine.start(image(7));
  engine.abandon();
  EXPECT_THROW(engine.start(std::vector<float>(1023)), Error);
  engine.start(image(8));
  EXPECT_EQ(engine.collect().back(), 8);
  engine.start(image(9));  // and the engine ends while it computes
}

TEST_F(EngineTest, AveragesProbabilitiesOfSeveralNetworks) {
  const auto one = save(test::threshold_network(4, 0.25));
  const auto other = folder_ / "other.onnx";
  onnx::write(test::threshold_network(8, 0.75), other);
  const auto images = ramp(5 * 1024);
  const auto probabilities = [&](Engine engine) {
    auto logits = engine.run(images, 5, 32, 32);
    softmax(logits, 5, 2, 1024);
    return logits;
  };
  const auto first = probabilities(Engine(one)), second = probabilities(Engine(other)),
             both = probabilities(Engine({one, other}));
  for (std::size_t i = 0; i < both.size(); ++i) ASSERT_NEAR(both[i], (first[i] + second[i]) / 2, 1e-6);

  onnx::write(test::lung_and_lesion_network(32), other);
  EXPECT_THROW(Engine({one, other}), Error) << "other classes";
  onnx::write(test::threshold_network(4, 0.25, 64), other);
  EXPECT_THROW(Engine({one, other}), Error) << "another size";
}

TEST_F(EngineTest, AMirrorImageIsMirroredBack) {
  // What the network says of a pixel depends on its left upper neighbours, in the mirror image on the right ones.
  onnx::Model model = test::threshold_network(1, 0);
  model.initializers[0] = {.name = "weight", .shape = {2, 1, 3, 3}, .data = std::vector<float>(18)};
  auto& weights = std::get<std::vector<float>>(model.initializers[0].data);
  weights[9] = 2;
  weights[10] = 1;
  model.nodes[0].attributes = {{"pads", std::vector<std::int64_t>(4, 1)}};
  const auto file = save(model);
  Engine plain(file), mirrors(file, {.mirror = true});
  const auto image = ramp(1024);
  const auto mirrored = [](const std::vector<float>& planes) {
    std::vector<float> result(planes.size());
    for (std::size_t i = 0; i < planes.size(); ++i) result[i / 32 * 32 + 31 - i % 32] = planes[i];
    return result;
  };
  auto expected = plain.run(image, 1, 32, 32);
  softmax(expected, 1, 2, 1024);
  auto of_mirror = plain.run(mirrored(image), 1, 32, 32);
  softmax(of_mirror, 1, 2, 1024);
  const auto back = mirrored(of_mirror);
  EXPECT_NE(back, expected);
  for (std::size_t i = 0; i < back.size(); ++i) expected[i] = (expected[i] + back[i]) / 2;
  auto found = mirrors.run(image, 1, 32, 32);
  softmax(found, 1, 2, 1024);
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-6) << i;
  // Slice by slice, as a scan goes through, too.
  for (std::int64_t i = 0; i < mirrors.slices_in_flight(); ++i) mirrors.start(image);
  while (mirrors.under_way() > 0) {
    auto again = mirrors.collect();
    softmax(again, 1, 2, 1024);
    EXPECT_EQ(again, found);
  }
}

TEST_F(EngineTest, AutoIsTheFastestThatFileAndProcessorHave) {
  const auto file = save(test::threshold_network());
  EXPECT_EQ(Engine(file).precision(), "fp32");
  EXPECT_EQ(Engine(file, {.precision = "auto"}).precision(), has_fast_bfloat16() ? "bf16" : "fp32");
  EXPECT_THROW(Engine(file, {.precision = "int8"}), Error);
  if (has_fast_bfloat16())
    EXPECT_EQ(Engine(file, {.precision = "bf16"}).precision(), "bf16");
  else
    EXPECT_THROW(Engine(file, {.precision = "bf16"}), Error);
}

TEST_F(EngineTest, ResizesWithHalfPixelCentres) {
  Engine engine(save(test::pooled_threshold_network(1, 0)));
  std::vector<float> image(32 * 32);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 32);
  const auto logits = engine.run(image, 1, 32, 32);
  // A ramp survives pooling and bilinear resizing; beyond the outermost centres it is the edge's 0.5 and 30.5.
  for (std::size_t i = 0; i < image.size(); ++i) {
    ASSERT_NEAR(logits[image.size() + i], std::clamp(image[i], 0.5F, 30.5F), 1e-5) << i;
  }
}

TEST_F(EngineTest, ComputesIn32BitsOnEveryProcessor) {
  // A chain that bf16 (8 bits of mantissa) would round to steps of 0.004.
  onnx::Model model = test::threshold_network(1, 0);
  model.nodes[0].outputs[0] = "a";
  model.initializers.push_back({.name = "square", .shape = {2, 2, 1, 1}, .data = std::vector<float>{1, 0, 0, 1}});
  model.nodes.push_back(
      {.op_type = "Conv", .name = "second", .inputs = {"a", "square"}, .outputs = {"logits"}, .attributes = {}});
  Engine engine(save(model));
  const auto image = ramp(32 * 32);
  const auto logits = engine.run(image, 1, 32, 32);
  for (std::size_t i = 0; i < image.size(); ++i) ASSERT_NEAR(logits[image.size() + i], image[i], 1e-6);
}

TEST_F(EngineTest, GivesTheSameBytesAloneOrInABatchAndAgain) {
  const auto file = save(test::pooled_threshold_network(7, 0.3F));
  const auto images = ramp(9 * 1024);
  Engine first(file), second(file);
  const auto together = first.run(images, 9, 32, 32);
  EXPECT_EQ(together, second.run(images, 9, 32, 32));
  for (std::size_t i = 0; i < 9; ++i) {
    const auto alone = second.run(std::span(images).subspan(i * 1024, 1024), 1, 32, 32);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(i * 2048)));
  }
}

TEST_F(EngineTest, KnowsWhatTheFileSays) {
  auto model = test::threshold_network();
  const dataset::Preprocessing preprocessing{.size = 48, .mean = 0.5, .standard_deviation = 0.25};
  for (const auto& [key, value] : preprocessing.to_metadata()) model.metadata[key] = value;
  model.metadata["pulmoseg.trained_on"] = "something";
  const Engine engine(save(model));
  EXPECT_EQ(engine.classes(), dataset::ClassMap::parse("lesion"));
  EXPECT_EQ(engine.preprocessing(), preprocessing);
  EXPECT_EQ(engine.metadata(), model.metadata);
  EXPECT_GE(engine.slices_in_flight(), 1);
}

TEST_F(EngineTest, TakesAFileOfAnotherToolWithTwoClasses) {
  auto model = test::threshold_network();
  model.metadata.clear();
  const Engine any_size(save(model));
  EXPECT_EQ(any_size.classes(), dataset::ClassMap::parse("lesion"));
  EXPECT_EQ(any_size.preprocessing(), dataset::Preprocessing{});
  model.inputs[0].shape = {std::int64_t{1}, std::int64_t{1}, std::int64_t{40}, std::int64_t{40}};
  model.outputs[0].shape = {std::int64_t{1}, std::int64_t{2}, std::int64_t{40}, std::int64_t{40}};
  const Engine one_size(save(model));
  EXPECT_EQ(one_size.preprocessing().size, 40);
}

TEST_F(EngineTest, RefusesMetadataThatDoesNotFit) {
  auto model = test::threshold_network();
  model.metadata["pulmoseg.classes"] = "background,lung,lesion";
  EXPECT_CONTAINS(refusal(model), "has 2 classes, but its metadata names 3 (background,lung,lesion)");
  model = test::threshold_network();
  model.metadata.erase("pulmoseg.size");
  EXPECT_CONTAINS(refusal(model), "pulmoseg.size");
  model.metadata["pulmoseg.size"] = "many";
  EXPECT_CONTAINS(refusal(model), "pulmoseg.size = 'many'");
}

/// A network of one Conv with the given channels.
onnx::Model convolution(std::int64_t inputs, std::int64_t classes, std::int64_t stride = 1) {
  auto model = test::threshold_network();
  model.inputs[0].shape[1] = inputs;
  model.outputs[0].shape[1] = classes;
  const auto count = static_cast<std::size_t>(inputs * classes);
  model.initializers = {
      {.name = "weight", .shape = {classes, inputs, 1, 1}, .data = std::vector<float>(count, 1)},
      {.name = "bias", .shape = {classes}, .data = std::vector<float>(static_cast<std::size_t>(classes))}};
  model.nodes[0].attributes = {{.name = "strides", .value = std::vector<std::int64_t>{stride, stride}}};
  model.outputs[0].shape = {"batch", classes, "r", "c"};
  return model;
}

TEST_F(EngineTest, NamesAnInputThatIsNotASlice) {
  EXPECT_CONTAINS(refusal(convolution(3, 2)),
                  "has the input 'image' f32 [?,3,?,?], expected one float32 input N x 1 x rows x columns");

  auto neighbours = convolution(1, 2);
  neighbours.metadata["pulmoseg.neighbours"] = "1";
  EXPECT_CONTAINS(refusal(neighbours),
                  "has the input 'image' f32 [?,1,?,?], expected one float32 input N x 3 x rows x columns");

  auto two = convolution(1, 2);
  two.inputs.push_back({.name = "age", .shape = {"batch", std::int64_t{1}, "rows", "columns"}});
  two.nodes[0].outputs[0] = "a";
  two.nodes.push_back(
      {.op_type = "Add", .name = "add", .inputs = {"a", "age"}, .outputs = {"logits"}, .attributes = {}});
  EXPECT_CONTAINS(refusal(two), "has the input 'image' f32 [?,1,?,?], 'age' f32 [?,1,?,?], expected one");

  auto text = convolution(1, 2);
  constexpr std::int32_t int64_elements = 7;
  text.inputs = {{.name = "tokens", .shape = {"batch", "length"}, .element_type = int64_elements}};
  text.nodes = {{.op_type = "Cast",
                 .name = "cast",
                 .inputs = {"tokens"},
                 .outputs = {"logits"},
                 .attributes = {{.name = "to", .value = std::int64_t{1}}}}};
  text.outputs[0].shape = {"batch", "length"};
  EXPECT_CONTAINS(refusal(text), "has the input 'tokens' i64 [?,?], expected one float32 input");
}

TEST_F(EngineTest, NamesAnOutputThatIsNoClassForEveryPixel) {
  EXPECT_CONTAINS(refusal(convolution(1, 1)), "has the output 'logits' f32 [?,1,?,?], expected one float32 output");

  auto two = convolution(1, 2);
  two.nodes.push_back({.op_type = "Relu", .name = "r", .inputs = {"logits"}, .outputs = {"aux"}, .attributes = {}});
  two.outputs.push_back({.name = "aux", .shape = {"batch", std::int64_t{2}, "rows", "columns"}});
  EXPECT_CONTAINS(refusal(two), "'aux' f32 [?,2,?,?], expected one float32 output");

  EXPECT_CONTAINS(refusal(convolution(1, 2, 2)),
                  "gives logits of shape [1,2,16,16] for an image of 32x32, expected [1,2,32,32]");

  auto three = convolution(1, 3);
  three.metadata.clear();
  EXPECT_CONTAINS(refusal(three), "has 3 classes and no pulmoseg.classes in its metadata");
}

TEST_F(EngineTest, NamesANetworkThatCannotRun) {
  auto unknown = test::threshold_network();
  unknown.nodes[0].op_type = "Sorcery";
  EXPECT_CONTAINS(refusal(unknown), "holds a network that cannot be run");
  EXPECT_CONTAINS(refusal(unknown), "Sorcery");

  auto fixed = test::threshold_network(1, 0, 64);  // says 64 and takes only 32
  fixed.inputs[0].shape = {std::int64_t{1}, std::int64_t{1}, std::int64_t{32}, std::int64_t{32}};
  fixed.initializers.push_back({.name = "map", .shape = {1, 2, 32, 32}, .data = std::vector<float>(2048)});
  fixed.nodes[0].outputs[0] = "a";
  fixed.nodes.push_back(
      {.op_type = "Add", .name = "add", .inputs = {"a", "map"}, .outputs = {"logits"}, .attributes = {}});
  EXPECT_CONTAINS(refusal(fixed), "does not run on images of 64x64");
}

TEST_F(EngineTest, NamesANetworkWhoseAnswersAreNoNumbers) {
  Engine engine(save(test::threshold_network(std::numeric_limits<float>::quiet_NaN())));
  try {
    engine.run(std::vector<float>(1024, 1), 1, 32, 32);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_CONTAINS(error.what(), "gave logits that are not finite");
    EXPECT_CONTAINS(error.what(), engine.file().string());
  }
}

TEST_F(EngineTest, NamesAFileThatIsNoNetwork) {
  EXPECT_CONTAINS(refusal(folder_ / "none.onnx"), "No such file");
  write_file(folder_ / "text.onnx", "weights, please");
  EXPECT_CONTAINS(refusal(folder_ / "text.onnx"), "is not an ONNX file");
  const std::string whole = read_file(save(test::threshold_network()));
  write_file(folder_ / "cut.onnx", std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_CONTAINS(refusal(folder_ / "cut.onnx"), "truncated");
}

TEST_F(EngineTest, RefusesOptionsThatDoNotExist) {
  const auto file = save(test::threshold_network());
  EXPECT_THROW(Engine(file, {.precision = "bf17"}), UsageError);
  EXPECT_THROW(Engine(file, {.threads = -1}), UsageError);
  Engine engine(file, {.threads = 1});
  const std::vector<float> image(1024);
  EXPECT_EQ(engine.slices_in_flight(), 2) << "one computes, one waits";
  EXPECT_THROW(engine.run(image, 1, 32, 31), Error);
  EXPECT_EQ(engine.run(image, 1, 32, 32).size(), 2048U) << "still works after a refused call";
}

TEST(Softmax, TurnsLogitsIntoProbabilities) {
  // Two images, two classes, three pixels.
  std::vector<float> values{0, 1000, 0, -1000, 0, std::log(3.0F), 2, 2, -2, 2, 2, -2};
  softmax(values, 2, 2, 3);
  const std::vector<float> expected{1, 1, 0.25F, 0, 0, 0.75F, 0.5F, 0.5F, 0.5F, 0.5F, 0.5F, 0.5F};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-7) << i;
}

TEST(FindModel, TakesARunOrAFile) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(find_model(folder.path()), Error);
  EXPECT_THROW(find_model(folder / "none.onnx"), Error);
  write_file(folder / "model.onnx", "x");
  EXPECT_EQ(find_model(folder.path()), folder / "model.onnx");
  EXPECT_EQ(find_model(folder / "model.onnx"), folder / "model.onnx");
}

}  // namespace
}  // namespace pulmoseg::inference
