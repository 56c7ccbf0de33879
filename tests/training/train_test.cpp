#include "pulmoseg/training/train.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fixture.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/processor.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/training/device.hpp"

namespace pulmoseg::training {
namespace {

using test::make_dataset;
using test::message_of;
using test::quick_options;
using test::train_tiny;

TEST(Train, FillsTheRunFolder) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 24);
  const RunFolder run{folder / "run"};
  const auto result = train_tiny(dataset, run.folder, quick_options());

  EXPECT_EQ(dataset::read_split(run.split(), dataset), dataset::split_by_slice(dataset, 0));
  const auto history = read_csv(run.history());
  EXPECT_EQ(history.columns,
            (std::vector<std::string>{"epoch", "size", "training_loss", "validation_loss", "validation_dice",
                                      "learning_rate", "seconds", "samples_per_second"}));
  ASSERT_EQ(history.rows.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(parse_number<std::int64_t>(history.rows[i][0]), static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(history.rows[i][1], "16");
    EXPECT_EQ(parse_number<double>(history.rows[i][2]), result.history[i].training_loss);
    EXPECT_EQ(parse_number<double>(history.rows[i][3]), result.history[i].validation_loss);
    EXPECT_EQ(parse_number<double>(history.rows[i][4]), result.history[i].validation_dice);
    EXPECT_EQ(parse_number<double>(history.rows[i][5]), 1e-2);
    EXPECT_GT(parse_number<double>(history.rows[i][7]), 0);
  }
  const auto config = nlohmann::json::parse(read_file(run.config()));
  EXPECT_EQ(config["schema"], "pulmoseg.run/1");
  EXPECT_EQ(config["options"]["learning_rate"], 1e-2);
  EXPECT_EQ(config["options"]["precision"], "fp32");  // auto, decided
  EXPECT_EQ(config["classes"], (nlohmann::json{"background", "lesion"}));
  EXPECT_EQ(config["dataset"]["name"], "data");
  EXPECT_EQ(config["dataset"]["fingerprint"], dataset.fingerprint());
  EXPECT_EQ(config["research_use"], "Research use only. Not a medical device.");
  const auto metadata = read_file(run.onnx());
  EXPECT_NE(metadata.find("pulmoseg.classes=background,lesion"), std::string::npos) << metadata;
  EXPECT_NE(metadata.find("pulmoseg.size=16"), std::string::npos) << metadata;
  EXPECT_NE(metadata.find("pulmoseg.trained_on=data (" + dataset.fingerprint()), std::string::npos) << metadata;
}

TEST(Train, RecipeFastTakesTheFasterNumberFormatAndLearns) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 24);
  auto options = recipe("fast");
  options.learning_rate = 1e-2;
  options.epochs = 10;
  const RunFolder run{folder / "run"};
  const auto result = train_tiny(dataset, run.folder, options);
  const auto config = nlohmann::json::parse(read_file(run.config()));
  EXPECT_EQ(config["options"]["precision"], has_fast_bfloat16() ? "bf16" : "fp32");
  EXPECT_EQ(config["options"]["schedule"], "cosine");
  EXPECT_LT(result.history.back().training_loss, 0.7 * result.history.front().training_loss);
  EXPECT_EQ(read_config(run).options.dice_loss, options.dice_loss);
}

TEST(Train, LearnsATinySetByHeart) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 12);
  auto options = quick_options();
  options.epochs = 40;
  const auto result = train_tiny(dataset, folder / "run", options);
  EXPECT_LT(result.history.back().training_loss, 0.5 * result.history.front().training_loss);
}

TEST(Train, ShowsGrowingImagesAndKeepsAnEpochOfTheLargest) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 24);
  auto options = quick_options();
  options.epochs = 6;
  options.progressive_size = true;
  options.schedule = Schedule::cosine;
  std::vector<std::int64_t> sizes;  // of the training images
  const auto watched = [&](NetworkShape shape) {
    auto network = test::tiny_network(shape);
    network.forward = [&sizes, network](const torch::Tensor& images) {
      if (network.module->is_training()) sizes.push_back(images.size(2));
      EXPECT_EQ(images.size(2), images.size(3));
      return network.forward(images);
    };
    return network;
  };
  const auto result = train_network(watched, dataset, dataset::split_by_slice(dataset, 0), folder / "run", options);
  const std::size_t steps = sizes.size() / 6;
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(sizes[i], i < 2 * steps ? 8 : 16) << i;
  std::vector<std::int64_t> validated;
  for (const auto& record : result.history) validated.push_back(record.size);
  EXPECT_EQ(validated, (std::vector<std::int64_t>{8, 8, 16, 16, 16, 16}));
  EXPECT_GT(result.best.epoch, 2);
  EXPECT_LT(result.history.back().learning_rate, 0.01 * options.learning_rate);
}

TEST(Train, FreezesBatchNormInTheLastPartOfTheRun) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 24);
  auto options = quick_options();
  options.epochs = 4;
  options.freeze_batch_norm = 0.5;
  torch::Tensor batches_counted, weight;
  const auto watched = [&](NetworkShape shape) {
    auto network = test::tiny_network(shape);
    batches_counted = network.module->named_buffers()["1.num_batches_tracked"];
    weight = network.module->named_parameters()["1.weight"];
    return network;
  };
  std::vector<std::int64_t> counted;
  std::vector<double> weights;
  TrainingCallbacks callbacks;
  callbacks.on_epoch = [&](const TrainingResult&) {
    counted.push_back(batches_counted.item<std::int64_t>());
    weights.push_back(weight.sum().item<double>());
  };
  train_network(watched, dataset, dataset::split_by_slice(dataset, 0), folder / "run", options, callbacks);
  ASSERT_EQ(counted.size(), 4u);
  EXPECT_GT(counted[0], 0);
  EXPECT_EQ(counted[1], 2 * counted[0]);
  EXPECT_EQ(counted[2], counted[1]);
  EXPECT_EQ(counted[3], counted[1]);
  EXPECT_NE(weights[3], weights[1]);  // only the statistics stand still
}

TEST(Train, KeepsTheEpochWithTheLowestValidationLoss) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 12);
  auto options = quick_options();
  options.epochs = 6;
  const RunFolder run{folder / "run"};
  const auto spoilt_later = [](NetworkShape shape) {
    auto network = test::tiny_network(shape);
    network.forward = [=, validations = 0](const torch::Tensor& images) mutable {
      const bool worse = !network.module->is_training() && ++validations > 3;  // one validation batch an epoch
      return network.forward(images) * (worse ? -1 : 1);
    };
    return network;
  };
  std::vector<std::string> weights;  // last.pth after every epoch
  const auto result = train_network(
      spoilt_later, dataset, dataset::split_by_slice(dataset, 0), run.folder, options,
      {.on_step = {}, .on_epoch = [&](const auto&) { weights.push_back(read_file(run.last_weights())); }, .stop = {}});

  const auto lowest = std::ranges::min_element(result.history, {}, &EpochRecord::validation_loss);
  EXPECT_EQ(result.best, *lowest);
  ASSERT_LE(result.best.epoch, 3);
  const auto best = model::read_weights(run.best_weights());
  write_file(folder / "epoch.pth", weights[static_cast<std::size_t>(result.best.epoch) - 1]);
  for (const auto& [name, tensor] : model::read_weights(folder / "epoch.pth")) {
    EXPECT_TRUE(torch::equal(*model::find(best, name), tensor)) << name;
  }
  EXPECT_FALSE(
      torch::equal(*model::find(best, "0.weight"), *model::find(model::read_weights(run.last_weights()), "0.weight")));
}

TEST(Train, LossesAreMeansOverTheSlices) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 13);  // validation: 2 slices; training: 9 = 4 + 5
  auto options = quick_options();
  options.epochs = 1;
  std::vector<std::int64_t> batches;
  std::vector<double> running;
  const auto result = train_tiny(dataset, folder / "run", options,
                                 {.on_step =
                                      [&](const StepRecord& step) {
                                        batches.push_back(step.batches);
                                        running.push_back(step.training_loss);
                                      },
                                  .on_epoch = {},
                                  .stop = {}});
  EXPECT_EQ(batches, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(running.back(), result.history.front().training_loss);

  // The validation loss again, by hand, from the weights that were written.
  const auto network = test::tiny_network({});
  model::load_state_dict(*network.module, model::read_weights(folder / "run/last.pth"));
  network.module->eval();
  double sum = 0;
  const auto rows = dataset::split_by_slice(dataset, 0).rows(dataset::Part::validation);
  for (const auto row : rows) {
    BatchLoader loader(dataset, options, {{row}}, std::nullopt);
    const auto batch = loader.next();
    const auto probabilities = torch::softmax(network.forward(batch->images), 1);
    sum -= probabilities.gather(1, batch->targets.unsqueeze(1)).log().mean().item<double>();
  }
  EXPECT_NEAR(result.history.front().validation_loss, sum / static_cast<double>(rows.size()), 1e-6);
}

TEST(Train, ALossThatIsNoNumberEndsTheRunAndKeepsTheCheckpoint) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 26);
  const RunFolder run{folder / "run"};
  std::string good_checkpoint;
  const auto broken = [&](NetworkShape shape) {
    auto network = test::tiny_network(shape);
    network.forward = [forward = network.forward, calls = 0](const torch::Tensor& images) mutable {
      return forward(images) * (++calls == 8 ? NAN : 1.0);  // 5 training + 1 validation batches an epoch
    };
    return network;
  };
  const auto message = message_of<Error>([&] {
    train_network(broken, dataset, dataset::split_by_slice(dataset, 0), run.folder, quick_options(),
                  {.on_step = {},
                   .on_epoch = [&](const auto&) { good_checkpoint = read_file(run.folder / "checkpoint.safetensors"); },
                   .stop = {}});
  });
  EXPECT_NE(message.find("the training loss became nan in epoch 2 after 1 batches"), std::string::npos) << message;
  EXPECT_FALSE(good_checkpoint.empty());
  EXPECT_EQ(read_file(run.folder / "checkpoint.safetensors"), good_checkpoint);
}

TEST(Train, AValidationThatIsNoNumberIsNamedAsSuch) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 26);
  const auto broken = [&](NetworkShape shape) {
    auto network = test::tiny_network(shape);
    network.forward = [forward = network.forward, calls = 0](const torch::Tensor& images) mutable {
      return forward(images) * (++calls == 6 ? NAN : 1.0);  // after 5 training batches
    };
    return network;
  };
  const auto message = message_of<Error>([&] {
    train_network(broken, dataset, dataset::split_by_slice(dataset, 0), folder / "run", quick_options(), {});
  });
  EXPECT_NE(message.find("the validation loss became nan in epoch 1"), std::string::npos) << message;
  EXPECT_NE(message.find("pulmoseg inspect DATASET"), std::string::npos) << message;
}

TEST(Train, AFolderHoldsOneRun) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 12);
  {
    const FolderLock other_run(folder / "run");
    const auto message = message_of<Error>([&] { train_tiny(dataset, folder / "run", quick_options()); });
    EXPECT_NE(message.find("is in use by another run"), std::string::npos) << message;
  }
  train_tiny(dataset, folder / "run", quick_options());
  const auto message = message_of<Error>([&] { train_tiny(dataset, folder / "run", quick_options()); });
  EXPECT_NE(message.find("holds a training run already; go on with --resume"), std::string::npos) << message;
}

TEST(Train, AGpuThatIsNotThereLeavesNoFolder) {
  const test::TemporaryFolder folder;
  auto options = quick_options();
  options.device = "cuda";
  const auto train = [&] { train_tiny(make_dataset(folder / "data", 24), folder / "run", options); };
  const std::string message = message_of<Error>(train);
  if (message.empty()) GTEST_SKIP() << "this machine has a usable GPU, and trained on it";
  EXPECT_TRUE(message.starts_with("--device cuda: ")) << message;
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(Train, TooFewSlicesAreNamed) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder / "data", 3);  // one in each part
  const auto message = message_of<Error>([&] { train_tiny(dataset, folder / "run", quick_options()); });
  EXPECT_NE(message.find("has 1 slices for training and 1 for validation, expected at least 2 and 1"),
            std::string::npos)
      << message;
  EXPECT_FALSE(std::filesystem::exists(folder / "run/config.json"));
}

}  // namespace
}  // namespace pulmoseg::training
