// The real network through the real loop, for a few steps.

#include <gtest/gtest.h>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/onnx/model.hpp"
#include "pulmoseg/training/device.hpp"

namespace pulmoseg::training {
namespace {

TEST(DeepLabV3Training, RunsResumesAndWritesItsModel) {
  const test::TemporaryFolder folder;
  const auto dataset = test::make_dataset(folder / "data", 12, 64);  // 8 for training: 2 batches
  const auto split = dataset::split_by_slice(dataset, 0);
  TrainingOptions options;
  options.epochs = 1;
  options.threads = 2;
  const RunFolder whole{folder / "whole"}, parts{folder / "parts"};
  train(dataset, split, whole.folder, options);

  const test::StopAfter stop(1);
  EXPECT_THROW(train(dataset, split, parts.folder, options, stop.callbacks()), Interrupted);
  options.resume = true;
  train(dataset, split, parts.folder, options);
  EXPECT_TRUE(read_file(parts.last_weights()) == read_file(whole.last_weights()));
  EXPECT_TRUE(read_file(parts.onnx()) == read_file(whole.onnx()));

  const auto model = onnx::read_header(whole.onnx());
  EXPECT_EQ(model.metadata.at("pulmoseg.classes"), "background,lesion");
  EXPECT_EQ(model.metadata.at("pulmoseg.size"), "64");
  std::int64_t values = 0;
  for (const auto& [name, tensor] : model::read_weights(whole.best_weights())) {
    if (name.find("running_") == std::string::npos && !name.ends_with("num_batches_tracked")) values += tensor.numel();
  }
  EXPECT_EQ(values, 39'627'714);

  // --init from what was just trained: another run starts where it ended.
  TrainingOptions tuned;
  tuned.epochs = 1;
  tuned.threads = 2;
  tuned.learning_rate = 1e-30;
  tuned.init = whole.last_weights();
  train(dataset, split, folder / "tuned", tuned);
  const auto before = model::read_weights(whole.last_weights()), after = model::read_weights(folder / "tuned/last.pth");
  EXPECT_TRUE(torch::equal(*model::find(before, "classifier.4.weight"), *model::find(after, "classifier.4.weight")));
}

TEST(DeepLabV3Training, Bfloat16FollowsThe32BitLosses) {
  if (!has_fast_bfloat16()) GTEST_SKIP() << "this processor emulates bfloat16";
  const test::TemporaryFolder folder;
  const auto dataset = test::make_dataset(folder / "data", 12, 64);
  const auto split = dataset::split_by_slice(dataset, 0);
  TrainingOptions options;
  options.epochs = 1;
  options.threads = 2;
  options.precision = Precision::fp32;
  const auto full = train(dataset, split, folder / "fp32", options);
  options.precision = Precision::bf16;
  const auto half = train(dataset, split, folder / "bf16", options);
  EXPECT_NE(half.history[0].training_loss, full.history[0].training_loss);
  EXPECT_NEAR(half.history[0].training_loss, full.history[0].training_loss, 0.05 * full.history[0].training_loss);
  for (const auto& [name, tensor] : model::read_weights(folder / "bf16/last.pth")) {
    EXPECT_NE(tensor.scalar_type(), torch::kBFloat16) << name;  // master weights are 32-bit
  }
}

}  // namespace
}  // namespace pulmoseg::training
