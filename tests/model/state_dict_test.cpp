// Weights into networks: strictly, for --init, and out of a 3-D network.

#include "pulmoseg/model/state_dict.hpp"

#include "formula.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/backbone.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

/// Random weights; only what depends on the options is drawn anew.
StateDict fresh_state(const DeepLabV3Options& options = {}) {
  static const StateDict base = state_dict(*DeepLabV3());
  StateDict state;
  for (const auto& [name, tensor] : base) {
    auto shape = tensor.sizes().vec();
    if (name.starts_with("classifier.4.")) shape[0] = options.classes;
    if (name == "backbone.conv1.weight") shape[1] = options.channels;
    state.emplace_back(name, shape == tensor.sizes() ? tensor.clone() : torch::rand(shape));
  }
  return state;
}

void erase_ending(StateDict& state, const std::string& ending) {
  std::erase_if(state, [&](const auto& entry) { return entry.first.ends_with(ending); });
}

std::string error_of(const auto& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LoadStateDict, TakesEveryTensor) {
  const StateDict state = fresh_state();
  DeepLabV3 network;
  EXPECT_TRUE(load_state_dict(*network, state).empty());
  for (const auto& [name, tensor] : state_dict(*network)) EXPECT_TRUE(torch::equal(tensor, *find(state, name))) << name;
}

TEST(LoadStateDict, ConvertsNumberFormatsAndForgivesOldFilesAndAuxiliaryClassifiers) {
  StateDict state = fresh_state();
  for (auto& [name, tensor] : state) {
    if (tensor.is_floating_point()) tensor = tensor.to(torch::kHalf);
  }
  erase_ending(state, "num_batches_tracked");
  state.emplace_back("aux_classifier.0.weight", torch::ones({1}));
  DeepLabV3 network;
  EXPECT_EQ(load_state_dict(*network, state), std::vector<std::string>{"aux_classifier.0.weight"});
  const StateDict own = state_dict(*network);
  const Tensor& loaded = *find(own, "classifier.4.weight");
  EXPECT_EQ(loaded.scalar_type(), torch::kFloat);
  EXPECT_TRUE(torch::equal(loaded, find(state, "classifier.4.weight")->to(torch::kFloat)));
}

TEST(LoadStateDict, RefusesAnotherArchitectureInOneLineAndLeavesTheNetworkAlone) {
  StateDict state = fresh_state({.classes = 21, .channels = 3});
  erase_ending(state, "layer4.2.bn3.weight");
  erase_ending(state, "layer4.2.bn3.bias");
  state.emplace_back("fc.weight", torch::ones({10, 2048}));
  DeepLabV3 network;
  const Tensor before = network->parameters()[0].clone();
  EXPECT_EQ(error_of([&] { load_state_dict(*network, state, "model.pth"); }),
            "model.pth: does not fit the network, of 362 tensors expected: 2 missing (first: "
            "backbone.layer4.2.bn3.weight), 1 unexpected (first: fc.weight), 3 of another shape (first: "
            "backbone.conv1.weight "
            "is 64x3x7x7, expected 64x1x7x7)");
  EXPECT_TRUE(torch::equal(before, network->parameters()[0]));
}

TEST(LoadStateDict, ReadsClassesOffTheShapes) {
  EXPECT_EQ(
      error_of([] {
        count_classes({{"fc.weight", torch::ones({2, 2})}}, "resnet.pth");
      }),
      "resnet.pth: has 1 tensors but no convolution classifier.4.weight, expected the weights of a DeepLabV3-ResNet50");
}

TEST(InitFrom, TakesWhatFitsAndReportsTheRest) {
  StateDict state = fresh_state({.classes = 3});
  erase_ending(state, "classifier.2.bias");
  state.emplace_back("fc.weight", torch::ones({10, 2048}));
  DeepLabV3 network;
  const Tensor fresh_logits = find(state_dict(*network), "classifier.4.weight")->clone();
  const InitReport report = init_from(*network, state);
  EXPECT_EQ(report.taken.size(), 359U);
  EXPECT_TRUE(report.fitted_to_channels.empty());
  EXPECT_EQ(report.missing, std::vector<std::string>{"classifier.2.bias"});
  EXPECT_EQ(report.wrong_shape, (std::vector<std::string>{"classifier.4.weight", "classifier.4.bias"}));
  EXPECT_EQ(report.unused, std::vector<std::string>{"fc.weight"});
  const StateDict after = state_dict(*network);
  EXPECT_TRUE(
      torch::equal(*find(after, "backbone.layer1.0.conv1.weight"), *find(state, "backbone.layer1.0.conv1.weight")));
  EXPECT_TRUE(torch::equal(*find(after, "classifier.4.weight"), fresh_logits));
}

TEST(InitFrom, TakesABareResNetAndSumsItsColours) {
  StateDict state;
  for (const auto& [name, tensor] : fresh_state({.classes = 2, .channels = 3})) {
    if (name.starts_with("backbone.")) state.emplace_back(name.substr(9), tensor);
  }
  ASSERT_EQ(state.size(), 318U);
  state.emplace_back("fc.bias", torch::ones({1000}));
  DeepLabV3 network;
  const InitReport report = init_from(*network, state);
  EXPECT_EQ(report.taken.size(), 317U);
  EXPECT_EQ(report.fitted_to_channels, std::vector<std::string>{"backbone.conv1.weight"});
  EXPECT_EQ(report.missing.size(), 44U);  // the classifier
  EXPECT_EQ(report.unused, std::vector<std::string>{"fc.bias"});
  const Tensor kernel = *find(state_dict(*network), "backbone.conv1.weight");
  EXPECT_TRUE(torch::allclose(kernel, find(state, "conv1.weight")->sum(1, true)));
}

TEST(InitFrom, SpreadsAFirstConvolutionOverTheNeighboursOfASlice) {
  const torch::NoGradGuard no_gradients;
  DeepLabV3 of_one, of_five(DeepLabV3Options{.channels = 5});
  const InitReport report = init_from(*of_five, state_dict(*of_one));
  EXPECT_EQ(report.taken.size(), 361U);
  EXPECT_EQ(report.fitted_to_channels, std::vector<std::string>{"backbone.conv1.weight"});
  of_one->eval(), of_five->eval();
  const Tensor slice = torch::rand({1, 1, 32, 32});
  EXPECT_TRUE(torch::allclose(of_five(slice.expand({1, 5, 32, 32}).contiguous()), of_one(slice), 1e-4, 1e-5));
}

TEST(InitFrom, RefusesWeightsOfWhichNothingFits) {
  DeepLabV3 network;
  EXPECT_EQ(
      error_of([&] {
        init_from(*network, {{"conv.0", torch::ones({1})}}, "unet.pth");
      }),
      "unet.pth: none of its 1 tensors fits the network by name and shape (first: conv.0); expected the weights of a "
      "DeepLabV3-ResNet50 or of a ResNet-50");
}

/// A 3-D network of which everything can be checked by hand: the middle of three depths holds the 2-D kernel, the
/// others a quarter of it, and one stage is deeper than ResNet-50's.
StateDict inflated(const StateDict& flat, const std::string& prefix) {
  StateDict state;
  for (const auto& [name, tensor] : flat) {
    if (!name.starts_with("backbone.")) continue;
    Tensor kernel = tensor;
    if (tensor.dim() == 4) kernel = torch::stack({tensor / 4, tensor / 2, tensor / 4}, 2);
    state.emplace_back(prefix + name.substr(9), kernel.to(torch::kBFloat16).to(tensor.scalar_type()));
  }
  state.emplace_back(prefix + "layer1.3.conv1.weight", torch::ones({64, 256, 1, 1, 1}));
  return state;
}

TEST(BackboneFrom3d, SumsDepthTurnsKernelsAndKeepsTheFirstBlocks) {
  const StateDict flat = fresh_state({.classes = 2, .channels = 3});
  const StateDict source = inflated(flat, "encoder.");
  const StateDict backbone = backbone_from_3d(source);
  ASSERT_EQ(backbone.size(), 318U);
  DeepLabV3 network;
  EXPECT_EQ(init_from(*network, backbone).taken.size(), 318U);

  // Picture (row, column) looks at (x, y) = (-column, -row): the kernel's corner (0, 1) is the source's (x, y) = (1,
  // 2).
  const Tensor& kernel = *find(backbone, "backbone.layer2.0.conv2.weight");
  const Tensor& volume = *find(source, "encoder.layer2.0.conv2.weight");
  EXPECT_NEAR(kernel[3][5][0][1].item<float>(), volume[3][5].sum(0)[1][2].item<float>(), 1e-6);
  EXPECT_NEAR(kernel[3][5][2][1].item<float>(), volume[3][5].sum(0)[1][0].item<float>(), 1e-6);
  const Tensor& first = *find(backbone, "backbone.conv1.weight");
  EXPECT_EQ(first.sizes().vec(), (std::vector<std::int64_t>{64, 1, 7, 7}));
  EXPECT_NEAR(first[9][0][0][1].item<float>(), find(source, "encoder.conv1.weight")->sum({1, 2})[9][5][6].item<float>(),
              1e-6);
}

TEST(BackboneFrom3d, RefusesOtherWeights) {
  EXPECT_NE(error_of([] { backbone_from_3d(fresh_state(), "flat.pth"); }).find("flat.pth: has no 5-D kernel"),
            std::string::npos);
  StateDict source = inflated(fresh_state({.classes = 2, .channels = 3}), "");
  erase_ending(source, "layer4.1.bn2.bias");
  EXPECT_EQ(error_of([&] { backbone_from_3d(source, "deep.pth"); }),
            "deep.pth: has no layer4.1.bn2.bias, expected the weights of a ResNet-50 or deeper");
}

}  // namespace
}  // namespace pulmoseg::model
