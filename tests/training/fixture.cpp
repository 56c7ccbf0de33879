#include "fixture.hpp"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>

#include <random>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/dataset_writer.hpp"

namespace pulmoseg::test {

dataset::Dataset make_dataset(const std::filesystem::path& folder, std::int64_t slices, std::int64_t size) {
  std::mt19937 random(7);
  const auto uniform = [&] { return static_cast<float>(random() % 1000) / 1000.0f; };
  {
    dataset::DatasetWriter writer(folder, {.preprocessing = {.size = size}});
    for (std::int64_t i = 0; i < slices; ++i) {
      const auto row =
          writer.add_slice("case" + std::to_string(i / 2), "patient" + std::to_string(i / 2), i % 2, false);
      std::vector<float> image;
      std::vector<std::uint8_t> labels;
      const auto centre_row = static_cast<std::int64_t>(random() % size),
                 centre_column = static_cast<std::int64_t>(random() % size);
      for (std::int64_t r = 0; r < size; ++r) {
        for (std::int64_t c = 0; c < size; ++c) {
          const bool lesion = std::abs(r - centre_row) <= size / 5 && std::abs(c - centre_column) <= size / 5;
          image.push_back(0.5f * uniform() + (lesion ? 0.5f : 0.0f));
          labels.push_back(lesion ? 1 : 0);
        }
      }
      writer.write_image(row, image);
      writer.write_labels(row, labels);
      writer.write_lung_mask(row, std::vector<std::uint8_t>(static_cast<std::size_t>(size * size)));
    }
    writer.commit({});
  }
  return dataset::Dataset::open(folder);
}

training::Network tiny_network(training::NetworkShape shape) {
  namespace nn = torch::nn;
  nn::Sequential network(nn::Conv2d(nn::Conv2dOptions(shape.channels, 8, 3).padding(1).bias(false)), nn::BatchNorm2d(8),
                         nn::ReLU(), nn::Dropout(0.5), nn::Conv2d(nn::Conv2dOptions(8, shape.classes, 3).padding(1)));
  return {.module = network.ptr(),
          .forward = [network](const torch::Tensor& images) mutable { return network->forward(images); },
          .write_onnx =
              [metadata = shape.onnx_metadata](const std::filesystem::path& file) {
                std::string text;
                for (const auto& [key, value] : metadata) text += key + "=" + value + "\n";
                write_file(file, text);
              },
          .logit_bias = network->parameters().back()};
}

training::TrainingOptions quick_options() {
  training::TrainingOptions options;
  options.epochs = 2;
  options.learning_rate = 1e-2;
  options.threads = 2;
  return options;
}

training::TrainingResult train_tiny(const dataset::Dataset& dataset, const std::filesystem::path& run,
                                    const training::TrainingOptions& options,
                                    const training::TrainingCallbacks& callbacks) {
  const auto split = dataset::split_by_slice(dataset, options.seed);
  return training::train_network(tiny_network, dataset, split, run, options, callbacks);
}

StopAfter::StopAfter(int steps) : steps_(steps) {
  callbacks_.stop = source_.get_token();
  callbacks_.on_step = [this](const training::StepRecord&) {
    if (--steps_ == 0) source_.request_stop();
  };
}

}  // namespace pulmoseg::test
