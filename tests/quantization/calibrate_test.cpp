#include "pulmoseg/quantization/calibrate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "../inference/tiny_network.hpp"
#include "dataset/small_dataset.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/inference/engine.hpp"
#include "residual_network.hpp"
#include "support/data.hpp"

namespace pulmoseg::quantization {
namespace {

/// Slices of 32x32 of random pixels; the truth is what is brighter than a half.
class CalibrateTest : public testing::Test {
 protected:
  CalibrateTest() {
    dataset::DatasetWriter writer(folder_ / "data", {.preprocessing = {.size = 32}, .overwrite = false});
    for (std::size_t k = 0; k < 6; ++k) {
      const auto row = writer.add_slice("case", "patient", static_cast<std::int64_t>(k), false);
      std::vector<float> image(32 * 32);
      std::vector<std::uint8_t> labels(image.size());
      for (std::size_t i = 0; i < image.size(); ++i) {
        image[i] = static_cast<float>((i * 7919 + k * 131) % 1009) / 1009;
        labels[i] = image[i] > 0.5F;
      }
      writer.write_image(row, image);
      writer.write_labels(row, labels);
    }
    writer.commit({});
    rows_.resize(6);
    std::iota(rows_.begin(), rows_.end(), 0);
  }

  Calibration calibrated(const onnx::Model& model, const CalibrationOptions& options = {}) const {
    return calibrate(model, "tiny.onnx", dataset::Dataset::open(folder_ / "data"), rows_, options);
  }

  test::TemporaryFolder folder_;
  std::vector<std::int64_t> rows_;
};

TEST_F(CalibrateTest, MeasuresWhatItCosts) {
  const auto result = calibrated(test::threshold_network(20, 0.5), {.slices = 4});
  EXPECT_EQ(result.slices, 4);
  EXPECT_TRUE(result.kept.empty());
  EXPECT_GT(result.agreement, 0.99);
  EXPECT_LT(result.agreement, 1) << "pixels within half a 255th of the threshold change sides";
  EXPECT_EQ(result.dice_before, 1);
  EXPECT_EQ(result.dice_after, result.agreement) << "32-bit is the truth";
  EXPECT_EQ(inference::Engine(result.model, "tiny.onnx", {.precision = "auto"}).precision(), "int8");
}

TEST_F(CalibrateTest, KeepsInFloatsWhatCostsTooMuch) {
  const auto all = calibrated(test::network_with_an_outlier(), {.agreement = 0});
  EXPECT_TRUE(all.kept.empty());
  EXPECT_LT(all.agreement, 0.9) << "one channel in 2000 steps of the other";
  const auto searched = calibrated(test::network_with_an_outlier(), {.agreement = 0.98});
  EXPECT_EQ(searched.kept, std::vector<std::string>{"logits"});
  EXPECT_GE(searched.agreement, 0.98);
}

TEST_F(CalibrateTest, ANetworkOfFloatsHasNoEightBits) {
  try {
    inference::Engine(test::threshold_network(), "tiny.onnx", {.precision = "int8"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("tiny.onnx: is not in 8 bits"), 0u) << error.what();
  }
}

TEST_F(CalibrateTest, NamesTheTensorThatIsNotFinite) {
  onnx::Model model = test::residual_network();
  for (auto& initializer : model.initializers) {
    if (initializer.name == "b.weight") std::get<std::vector<float>>(initializer.data)[0] = NAN;
  }
  try {
    calibrated(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("tiny.onnx: its tensor bn_b holds values that are not finite"), 0u)
        << error.what();
  }
}

TEST_F(CalibrateTest, NeedsSlices) {
  rows_.clear();
  EXPECT_THROW(calibrated(test::threshold_network()), Error);
}

}  // namespace
}  // namespace pulmoseg::quantization
